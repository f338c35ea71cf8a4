"""Evaluation of class scores: accuracy, F1, calibration error and confusion matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
LEAST_SCORE = 1e-12
"""Smaller scores count as this in the cross-entropy, which is finite then."""

_BINS = 15
"""Number of bins of the calibration error; a confidence of exactly 1 has a bin of its own."""


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """Result of an evaluation.

    Attributes:
        metrics: `loss`; `accuracy`, 0 to 1: the fraction of images, or with several labels of pairs
            of an image and a label, that are right; `macro_f1`, 0 to 1: the mean F1 of the classes
            that occur or are predicted, or with several labels of all, where a label that does
            neither counts 0; `calibration_error`, 0 to 1; and `top5_accuracy` for single-label
            classification with more than five classes.
        confusion: Counts of shape (classes, classes), true by predicted class; for multi-label
            classification a matrix for each class, (classes, 2, 2).
    """

    metrics: dict[str, float]
    confusion: NDArray[np.int64]


class ClassificationMetrics:
    """Accumulates sums over batches, in memory that does not depend on the number of images.

    Args:
        classes: Number of classes.
        multi_label: Whether an image may have several labels; a class is then predicted where its
            score exceeds 0.5.

    Attributes:
        records: A dictionary of sums for each process.
    """

    def __init__(self, classes: int, multi_label: bool) -> None:
        self.classes = classes
        self.multi_label = multi_label
        shape = (classes, 2, 2) if multi_label else (classes, classes)
        self.records: list[dict[str, Counts]] = [
            {
                "confusion": np.zeros(shape),
                "top5": np.zeros(1),
                "loss": np.zeros(2),
                "bins": np.zeros((3, _BINS + 1)),
            }
        ]

    def update(self, scores: NDArray[np.float32], labels: NDArray[Any], loss: float) -> None:
        """Add one batch.

        Args:
            scores: Shape (batch, classes), 0 to 1.
            labels: Class ids of shape (batch,), or rows of zeros and ones (batch, classes).
            loss: The mean loss of the batch.
        """
        sums = self.records[0]
        sums["loss"] += [loss * len(labels), len(labels)]
        if self.multi_label:
            present, predicted = labels.astype(int), (scores > 0.5).astype(int)
            ids = np.broadcast_to(np.arange(self.classes), present.shape)
            np.add.at(sums["confusion"], (ids, present, predicted), 1)
            self._add_to_bins(scores.ravel(), present.ravel())
            return
        best = scores.argmax(1)
        np.add.at(sums["confusion"], (labels, best), 1)
        own = scores[np.arange(len(labels)), labels][:, None]
        # Of equal scores the one of the lower class id comes first, as in argmax.
        earlier = (scores == own) & (np.arange(self.classes) < labels[:, None])
        rank = ((scores > own) | earlier).sum(1)
        sums["top5"] += (rank < 5).sum()
        self._add_to_bins(scores.max(1), best == labels)

    def compute(self) -> ClassificationResult:
        """The result over all batches of all processes."""
        sums = {key: sum(record[key] for record in self.records) for key in self.records[0]}
        confusion = np.asarray(sums["confusion"])
        total, samples = np.asarray(sums["loss"])
        count, confidence, correct = np.asarray(sums["bins"])
        metrics = {"loss": float(total / max(1, samples))}
        hits, true, predicted = _hits(confusion)
        f1 = 2 * hits / np.maximum(1, true + predicted)
        if self.multi_label:
            wrong = confusion[:, 0, 1] + confusion[:, 1, 0]
            metrics["accuracy"] = float((1 - wrong / max(1, samples)).mean())
            metrics["macro_f1"] = float(f1.mean())
        else:
            metrics["accuracy"] = float(hits.sum() / max(1, samples))
            # F1 is undefined for a class that neither occurs nor is predicted.
            occurs = true + predicted > 0
            metrics["macro_f1"] = float(f1[occurs].mean()) if occurs.any() else 0.0
        gap = np.abs(confidence - correct).sum() / max(1, count.sum())
        metrics["calibration_error"] = float(gap)
        if not self.multi_label and self.classes > 5:
            metrics["top5_accuracy"] = float(np.asarray(sums["top5"])[0] / max(1, samples))
        return ClassificationResult(metrics, confusion.astype(np.int64))

    def _add_to_bins(self, confidence: NDArray[np.float32], correct: NDArray[Any]) -> None:
        self.records[0]["bins"] += calibration_bins(confidence, correct)


def log_loss(scores: NDArray[np.float32], labels: NDArray[Any], multi_label: bool) -> float:
    """The mean cross-entropy of scores.

    Args:
        scores: Shape (samples, classes), 0 to 1.
        labels: Class ids of shape (samples,), or rows of zeros and ones (samples, classes).
        multi_label: Whether `labels` are rows of zeros and ones.
    """
    if multi_label:
        right = np.where(labels > 0, scores, 1 - scores)
    else:
        right = scores[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, LEAST_SCORE)).mean())


def calibration_bins(confidence: NDArray[Any], correct: NDArray[Any]) -> Counts:
    """Sums for the expected calibration error (Guo et al. 2017, arXiv:1706.04599).

    Args:
        confidence: Of each prediction, shape (predictions,), 0 to 1.
        correct: Whether it is correct, shape (predictions,).

    Returns:
        Shape (3, bins): number of predictions, sum of confidences and number of correct predictions
        in bins of equal width.
    """
    index = (confidence * _BINS).astype(int)
    rows = (np.ones(len(index)), confidence, correct)
    weights = [np.asarray(row, np.float64) for row in rows]
    return np.stack([np.bincount(index, each, _BINS + 1) for each in weights]).astype(np.float64)


def _hits(confusion: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """True positives, labelled images and predicted images of each class."""
    if confusion.ndim == 3:
        return confusion[:, 1, 1], confusion[:, 1].sum(1), confusion[:, :, 1].sum(1)
    return np.diag(confusion), confusion.sum(1), confusion.sum(0)


def standard_error(accuracy: float, samples: int) -> float:
    """The binomial standard error of an accuracy (0 to 1) measured on so many samples."""
    return math.sqrt(max(0.0, accuracy * (1 - accuracy)) / max(1, samples))


def class_report(
    confusion: NDArray[np.integer], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class.

    Args:
        confusion: See `ClassificationResult`.
        class_names: One name for each class id.

    Returns:
        A dictionary for each class with `label`, `precision`, `recall`, `f1` (0 to 1; 0 if
        undefined) and `samples`, its number of labelled images.
    """
    rows = []
    for name, hit, true, predicted in zip(class_names, *_hits(confusion), strict=True):
        rows.append(
            {
                "label": name,
                "samples": int(true),
                "precision": float(hit / max(1, predicted)),
                "recall": float(hit / max(1, true)),
                "f1": float(2 * hit / max(1, true + predicted)),
            }
        )
    return rows
