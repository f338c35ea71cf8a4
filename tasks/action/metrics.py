"""Evaluation of action recognition: the metrics of a classifier, over whole clips."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.tasks.class_metrics import ClassificationMetrics, ClassificationResult, log_loss

Record = tuple[str, NDArray[np.float32], NDArray[Any]]
"""Name of a clip, scores of a window of it, and the clip's labels."""


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
        metrics = ClassificationMetrics(self.classes, self.multi_label)
        if not self.records:
            return metrics.compute()
        _, averages, truth = average_windows(self.records)
        metrics.update(averages, truth, log_loss(averages, truth, self.multi_label))
        result = metrics.compute()
        if self.multi_label:
            values = {**result.metrics, "map": mean_average_precision(averages, truth)}
            result = replace(result, metrics=values)
        return result


def average_windows(
    records: Iterable[tuple[str, NDArray[np.float32], Any]],
) -> tuple[list[str], NDArray[np.float32], NDArray[Any]]:
    """The scores of clips: the averages over their windows.

    Args:
        records: The clip, the scores (classes,) and the label or labels of each window.

    Returns:
        The clips in the order of their first windows, their scores (clips, classes), and their
        labels.
    """
    windows: dict[str, list[NDArray[np.float32]]] = {}
    labels: dict[str, Any] = {}
    for clip, scores, label in records:
        windows.setdefault(clip, []).append(scores)
        labels[clip] = label
    averages = np.stack([np.mean(each, 0) for each in windows.values()])
    return list(windows), averages, np.stack([labels[clip] for clip in windows])


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
