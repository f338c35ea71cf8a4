"""Figures that are read off other figures: errors and tables for each class."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def standard_error(share: float, samples: int) -> float:
    """The standard error of a share (0 to 1) measured on so many samples, binomial."""
    return math.sqrt(max(0.0, share * (1 - share)) / max(1, samples))


def class_report(
    confusion: NDArray[np.integer], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class.

    Args:
        confusion: Counts of shape (classes, classes), truth by prediction; or with several labels
            a picture of shape (classes, 2, 2), absent or present by predicted so.
        class_names: One for each class.

    Returns:
        A dictionary a class with `label`, `precision`, `recall`, `f1` (0 to 1; 0 where undefined)
        and `samples`.
    """
    if confusion.ndim == 3:
        hits, truths, answers = (
            confusion[:, 1, 1],
            confusion[:, 1].sum(1),
            confusion[:, :, 1].sum(1),
        )
    else:
        hits, truths, answers = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    rows = []
    for i, name in enumerate(class_names):
        row: dict[str, Any] = {"label": name, "samples": int(truths[i])}
        row["precision"] = float(hits[i] / max(1, answers[i]))
        row["recall"] = float(hits[i] / max(1, truths[i]))
        row["f1"] = float(2 * hits[i] / max(1, truths[i] + answers[i]))
        rows.append(row)
    return rows
