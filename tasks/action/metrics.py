"""Evaluation of action recognition: the figures of a classifier, over whole clips."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.tasks.class_metrics import ClassificationMetrics, ClassificationResult

Record = tuple[str, NDArray[np.float32], NDArray[Any]]
"""Name of a clip, scores of a window of it, and the clip's labels."""

_LEAST = 1e-12
"""Lower bound of the scores in the loss."""


class ActionMetrics:
    """Averages the scores of the windows of each clip, and measures the averages.

    Args:
        classes: Number of classes.
        multi_label: Whether a clip may have several labels.

    Attributes:
        records: One for each window.
    """

    def __init__(self, classes: int, multi_label: bool) -> None:
        self.classes = classes
        self.multi_label = multi_label
        self.records: list[Record] = []

    def update(self, clips: list[str], scores: NDArray[np.float32], labels: NDArray[Any]) -> None:
        """Add one batch of windows.

        Args:
            clips: Name of the clip of each window; windows of the same name are averaged.
            scores: Shape (batch, classes), 0 to 1.
            labels: Class ids of shape (batch,), or rows of zeros and ones (batch, classes).
        """
        self.records += zip(clips, scores, labels, strict=True)

    def compute(self) -> ClassificationResult:
        """The result over all clips of all processes; with `multi_label` also `map`."""
        windows: dict[str, list[NDArray[np.float32]]] = {}
        labels: dict[str, NDArray[Any]] = {}
        for clip, scores, label in self.records:
            windows.setdefault(clip, []).append(scores)
            labels[clip] = label
        metrics = ClassificationMetrics(self.classes, self.multi_label)
        if not windows:
            return metrics.compute()
        averages = np.stack([np.mean(each, 0) for each in windows.values()])
        truth = np.stack([labels[clip] for clip in windows])
        metrics.update(averages, truth, self._loss(averages, truth))
        result = metrics.compute()
        if self.multi_label:
            figures = {**result.figures, "map": mean_average_precision(averages, truth)}
            result = replace(result, figures=figures)
        return result

    def _loss(self, scores: NDArray[np.float32], labels: NDArray[Any]) -> float:
        """The mean cross-entropy of the averaged scores."""
        if self.multi_label:
            right = np.where(labels > 0, scores, 1 - scores)
        else:
            right = scores[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(right, _LEAST)).mean())


def mean_average_precision(scores: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """The mean over the classes of the average precision, which is not interpolated.

    It is the sum of the precisions at each threshold, weighted by the increase in recall.

    Args:
        scores: Shape (clips, classes).
        labels: Rows of zeros and ones, (clips, classes); classes without a one are left out.

    Returns:
        0 to 1; 0 if no class has a one.
    """
    precisions = []
    for own, present in zip(scores.T, labels.T > 0, strict=True):
        if not present.any():
            continue
        order = np.argsort(-own, kind="stable")
        hits = np.cumsum(present[order])
        # Clips of equal score are counted together: their order means nothing.
        last = np.append(np.diff(own[order]) != 0, True)
        recall = np.diff(hits[last] / present.sum(), prepend=0.0)
        precision = hits[last] / (np.flatnonzero(last) + 1)
        precisions.append(float((recall * precision).sum()))
    return float(np.mean(precisions)) if precisions else 0.0
