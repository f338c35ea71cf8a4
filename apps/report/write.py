"""Measure a model, and write the report: a page, and all numbers beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visus.apps.pages.report.errors import errors_section
from visus.apps.pages.report.explanations import explanations_section
from visus.apps.pages.report.page import report_page
from visus.apps.pages.report.quality import quality_section
from visus.apps.pages.report.robustness import robustness_section
from visus.apps.pages.report.speed import speed_section
from visus.apps.pages.section import Section
from visus.apps.report.calibrating import refuse_without_temperature, store_temperature
from visus.apps.report.errors import clearest_errors, find_errors
from visus.apps.report.explanations import explain_samples
from visus.apps.report.numbers_file import write_numbers
from visus.apps.report.quality import measure_quality
from visus.apps.report.robustness import measure_robustness
from visus.apps.report.speed import measure_speed
from visus.apps.report.subject import Subject, evaluate
from visus.apps.training.evaluation import load_evaluation
from visus.vision.output_files import write_text
from visus.vision.printable import printable


def write_report(
    model: str, data: Sequence[str], output: Path, sections: Sequence[str], calibrate: bool
) -> None:
    """Measure a model on its test data, and write `output` and the JSON file beside it.

    The report describes the model before its calibration.

    Args:
        model: A checkpoint, a run folder, `latest`, or the name of ready-made weights.
        data: Arguments of `visus test` that choose the data.
        output: The page.
        sections: Names of sections, in their order.
        calibrate: Whether to store a fitted temperature in the checkpoint.

    Raises:
        VisusError: If the model or its data cannot be used.
    """
    evaluation = load_evaluation(model, data)
    if calibrate:
        refuse_without_temperature(evaluation)
    subject = evaluate(evaluation)
    built: list[Section] = []
    numbers: dict[str, Any] = {
        "model": model,
        "checkpoint": evaluation.checkpoint and str(evaluation.checkpoint.resolve()),
        "split": subject.split_name,
    }
    for name in sections:
        section, measured = _SECTIONS[name](subject)
        built.append(section)
        numbers[name] = measured
    beside = output.with_suffix(".json")
    page = report_page(subject, built)
    write_numbers(beside, numbers)
    write_text(output, page)
    print(printable(f"{output}: {len(page.encode()) / 1e6:.1f} MB; open it in a browser"))
    print(printable(f"{beside}: all numbers"))
    if calibrate:
        # Last: a report that fails leaves the checkpoint as it was.
        print(printable(store_temperature(subject)))


def _quality(subject: Subject) -> tuple[Section, dict[str, Any]]:
    quality = measure_quality(subject)
    return quality_section(subject, quality), quality.to_json()


def _errors(subject: Subject) -> tuple[Section, dict[str, Any]]:
    errors = find_errors(subject)
    return errors_section(subject, errors), errors.to_json(subject)


def _explanations(subject: Subject) -> tuple[Section, dict[str, Any]]:
    explanations = explain_samples(subject, clearest_errors(subject.assessment))
    return explanations_section(explanations), explanations.to_json()


def _robustness(subject: Subject) -> tuple[Section, dict[str, Any]]:
    robustness = measure_robustness(subject)
    return robustness_section(robustness), robustness.to_json()


def _speed(subject: Subject) -> tuple[Section, dict[str, Any]]:
    speed = measure_speed(subject)
    return speed_section(speed), speed.to_json()


_SECTIONS = {
    "quality": _quality,
    "errors": _errors,
    "explanations": _explanations,
    "robustness": _robustness,
    "speed": _speed,
}
