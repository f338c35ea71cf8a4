"""How good a model is: metrics with intervals, classes, calibration, its data."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from visus.apps.report.calibration import (
    Calibration,
    fit_temperature,
    measure_calibration,
    scale_scores,
)
from visus.apps.report.facts import SplitFacts, gather_facts
from visus.apps.report.intervals import MIN_SAMPLES, bootstrap_intervals
from visus.apps.report.subject import Subject, batches_of
from visus.tasks.assessment import Confusion, Curves, LabelScores, MetricTable
from visus.vision.wording import counted


@dataclass(frozen=True)
class MetricEstimate:
    """A metric with its 95 % interval.

    Attributes:
        name: Its name.
        value: NaN where undefined.
        interval: Lower and upper bound; None where unknown.
    """

    name: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class CalibrationChange:
    """The calibration of a model, and after temperature scaling.

    Attributes:
        before: Of the scores as they are.
        after: Of the scores after temperature scaling.
        temperature: Fitted to the validation samples.
        samples: Number of these.
        same_samples: Whether the calibration is that of the samples that it was fitted to.
    """

    before: Calibration
    after: Calibration
    temperature: float
    samples: int
    same_samples: bool


@dataclass(frozen=True, eq=False)
class Quality:
    """How good a model is.

    Attributes:
        metrics: The main metric first.
        unit: Plural noun of the samples.
        samples: Number of samples.
        note: Why there are no intervals; empty if there are.
        table: Metrics of each class.
        plots: Plots of the whole split.
        calibration: None where a model has no scores of classes.
        facts: On each split.
        same_split: Whether the test samples are those that chose the best weights.
    """

    metrics: Sequence[MetricEstimate]
    unit: str
    samples: int
    note: str
    table: MetricTable | None
    plots: Sequence[Curves | Confusion]
    calibration: CalibrationChange | None
    facts: Sequence[SplitFacts]
    same_split: bool

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        content: dict[str, Any] = {
            self.unit: self.samples,
            "metrics": {
                each.name: {"value": _plain(each.value), "interval": each.interval}
                for each in self.metrics
            },
            "data": [asdict(each) for each in self.facts],
        }
        if self.table is not None:
            columns = self.table.columns
            content["classes"] = [
                {columns[0]: name, **dict(zip(columns[1:], map(_plain, values), strict=True))}
                for name, values in self.table.rows
            ]
        for plot in self.plots:
            if isinstance(plot, Confusion):
                content["confusion"] = plot.counts.tolist()
        if self.calibration is not None:
            change = self.calibration
            content["calibration"] = {
                "error": change.before.error,
                "error_after_scaling": change.after.error,
                "temperature": change.temperature,
                "validation_samples": change.samples,
            }
        return content


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def measure_quality(subject: Subject) -> Quality:
    """Measure how good a model is on the samples of a subject."""
    assessment = subject.assessment
    count = len(assessment.sources)
    intervals = bootstrap_intervals(assessment.compute, count)
    values = assessment.compute()
    order = [assessment.main, *(name for name in values if name != assessment.main)]
    facts = gather_facts(subject.evaluation.data)
    note = ""
    if count < MIN_SAMPLES:
        note = (
            f"{counted(count, assessment.unit.removesuffix('s'))} are too few for intervals, which "
            f"need {MIN_SAMPLES}; add test samples"
        )
    elif not intervals and any(map(math.isfinite, values.values())):
        note = "one evaluation of so many samples takes too long to repeat it for intervals"
    return Quality(
        [MetricEstimate(name, values[name], intervals.get(name)) for name in order],
        assessment.unit,
        count,
        note,
        assessment.class_table(),
        assessment.plots(),
        measure_calibration_change(subject),
        facts,
        subject.shares_validation,
    )


def measure_calibration_change(subject: Subject) -> CalibrationChange | None:
    """Fit a temperature on the validation samples, and measure it on those of the subject.

    Returns:
        None for a model without scores of classes, and without validation samples.
    """
    scored = subject.assessment.label_scores()
    if scored is None or not subject.evaluation.has_validation_samples:
        return None
    held_out = validation_scores(subject)
    temperature = fit_temperature(held_out)
    before, after = (
        measure_calibration(*each.confidences())
        for each in (scored, scale_scores(scored, temperature))
    )
    same = subject.is_validation_split
    return CalibrationChange(before, after, temperature, len(held_out.labels), same)


def validation_scores(subject: Subject) -> LabelScores:
    """The scores and labels of the validation samples."""
    evaluation = subject.evaluation
    task, data = evaluation.task, evaluation.data
    batches = batches_of(evaluation, data.plain_dataset("val"))
    scored = task.spec.assess(task, batches, data, "val").label_scores()
    assert scored is not None
    return scored
