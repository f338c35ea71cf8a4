"""The evaluated samples of the tasks that predict classes."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import (
    Assessment,
    Confusion,
    Floats,
    Indices,
    LabelScores,
    MetricTable,
    ReadImage,
)
from visus.tasks.class_metrics import ClassificationMetrics, class_report, log_loss
from visus.vision.images import Pixels, visible


class ClassAssessment(Assessment):
    """Samples with scores of classes.

    Args:
        sources: Name of each sample.
        scored: Their scores and labels.
        unit: See `Assessment`.
    """

    def __init__(self, sources: Sequence[str], scored: LabelScores, unit: str = "images") -> None:
        self.sources = sources
        self.scored = scored
        self.unit = unit
        several = scored.multi_label
        self.main = "macro_f1" if several else "accuracy"
        self.quality_name = "score of the right answers" if several else "score of the true class"

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`."""
        metrics = self._metrics(np.arange(len(self.sources)) if chosen is None else chosen)
        values = metrics.compute().metrics
        # That of `visus test` may have smoothed labels.
        return {"log_loss" if name == "loss" else name: value for name, value in values.items()}

    @cached_property
    def quality(self) -> Floats:
        """The score of the true class; of several labels the mean score of the right answers."""
        scores, labels = self.scored.scores.astype(np.float64), self.scored.labels
        if self.scored.multi_label:
            return np.asarray(np.where(labels > 0, scores, 1 - scores).mean(1), np.float64)
        return np.asarray(scores[np.arange(len(labels)), labels], np.float64)

    @property
    def confident_errors(self) -> Floats:
        """The score of a wrong class; of several labels that of the worst answer."""
        scores, labels = self.scored.scores.astype(np.float64), self.scored.labels
        if self.scored.multi_label:
            wrong = np.where(labels > 0, 1 - scores, scores)
            return np.asarray(np.where(wrong > 0.5, wrong, 0).max(1), np.float64)
        return np.where(scores.argmax(1) == labels, 0.0, scores.max(1))

    def describe(self, index: int) -> tuple[str, str]:
        """See `Assessment.describe`."""
        names, scores = self.scored.class_names, self.scored.scores[index]
        if self.scored.multi_label:
            true = np.flatnonzero(self.scored.labels[index]).tolist()
            predicted = np.flatnonzero(scores > 0.5).tolist()
        else:
            true, predicted = [int(self.scored.labels[index])], [int(scores.argmax())]
        said = [f"{names[i]} {scores[i]:.2f}" for i in predicted]
        return ", ".join(names[i] for i in true) or "no class", ", ".join(said) or "no class"

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        true, predicted = self.describe(index)
        caption = f"predicted {predicted}, labelled {true}"
        return [(caption, visible(read_image(self.sources[index])))]

    def class_table(self) -> MetricTable:
        """See `Assessment.class_table`."""
        report = class_report(self._confusion, self.scored.class_names)
        keys = ("precision", "recall", "f1", "samples")
        rows = tuple((row["label"], tuple(float(row[key]) for key in keys)) for row in report)
        return MetricTable(("class", "precision", "recall", "F1", self.unit), rows)

    def plots(self) -> list[Confusion]:  # type: ignore[override]
        """See `Assessment.plots`."""
        if self.scored.multi_label:
            return []
        return [Confusion(self._confusion, self.scored.class_names, self.unit)]

    def properties(self) -> dict[str, NDArray[np.str_] | Floats]:
        """See `Assessment.properties`."""
        if self.scored.multi_label:
            return {}
        return {"class": np.array(self.scored.class_names, str)[self.scored.labels]}

    def label_scores(self) -> LabelScores:
        """See `Assessment.label_scores`."""
        return self.scored

    @cached_property
    def _confusion(self) -> NDArray[np.int64]:
        return self._metrics(np.arange(len(self.sources))).compute().confusion

    def _metrics(self, chosen: Indices) -> ClassificationMetrics:
        scores, labels = self.scored.scores[chosen], self.scored.labels[chosen]
        metrics = ClassificationMetrics(len(self.scored.class_names), self.scored.multi_label)
        metrics.update(scores, labels, log_loss(scores, labels, self.scored.multi_label))
        return metrics
