"""Evaluation of segmenters: IoU, pixel accuracy, boundary F1."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.masks import IGNORE, mask_to_png

_TOLERANCE = 0.0075
"""Distance within which boundaries match, as a fraction of the image's diagonal."""


@dataclass(frozen=True, eq=False)
class SegmentationRecord:
    """One image compared with its ground truth, or several of them summed.

    Attributes:
        source: Name of the image; empty for a sum.
        confusion: int64 (classes, classes): pixels by true class (rows) and predicted class.
        boundary_f1: float64 (classes,), NaN where a class has no boundary in either mask; None
            where it was not measured.
        true_mask: PNG of the true class ids; empty for a sum.
        predicted_mask: PNG of the predicted class ids; empty for a sum.
    """

    source: str
    confusion: NDArray[np.int64]
    boundary_f1: NDArray[np.float64] | None = None
    true_mask: bytes = b""
    predicted_mask: bytes = b""

    @property
    def miou(self) -> float:
        """Mean IoU of the classes in this image; NaN where nothing is labelled."""
        return _mean(class_iou(self.confusion))


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """The metrics of a data set.

    Attributes:
        metrics: `miou`, `pixel_accuracy`, and `boundary_f1` where it was measured.
        iou: float64 (classes,); NaN for a class that occurs in no true or predicted mask.
        boundary_f1: float64 (classes,); NaN where undefined or not measured.
        confusion: int64 (classes, classes): pixels by true class (rows) and predicted class.
    """

    metrics: dict[str, float]
    iou: NDArray[np.float64]
    boundary_f1: NDArray[np.float64]
    confusion: NDArray[np.int64]


class SegmentationMetrics:
    """Accumulates images, and computes the metrics of all of them.

    Args:
        classes: Number of classes.
        thorough: Whether to measure boundaries and store the masks, which takes longer.

    Attributes:
        records: One for each image if thorough, otherwise one for all images of a process.
    """

    def __init__(self, classes: int, thorough: bool = False) -> None:
        self.classes = classes
        self.thorough = thorough
        self.records: list[SegmentationRecord] = []

    def update(
        self, source: str, prediction: SegmentationPrediction, true_mask: NDArray[np.uint8]
    ) -> None:
        """Add one image.

        Args:
            source: Name of the image.
            prediction: Of the image's size.
            true_mask: Class ids of shape (height, width), `IGNORE` for unlabelled pixels.
        """
        table = confusion_matrix(true_mask, prediction.mask, self.classes)
        if self.thorough:
            f1 = boundary_f1(true_mask, prediction.mask, self.classes)
            masks = mask_to_png(true_mask), prediction.png()
            self.records.append(SegmentationRecord(source, table, f1, *masks))
            return
        # One matrix for each image would fill the memory.
        total = sum((record.confusion for record in self.records), table)
        self.records = [SegmentationRecord("", total)]

    def compute(self) -> SegmentationResult:
        """The metrics of all images; IoU and accuracy are those of all pixels of the data set."""
        total = np.zeros((self.classes, self.classes), np.int64)
        for record in self.records:
            total += record.confusion
        iou = class_iou(total)
        labelled = int(total.sum())
        metrics = {
            "miou": _mean(iou),
            "pixel_accuracy": float(np.trace(total) / labelled) if labelled else float("nan"),
        }
        boundaries = np.full(self.classes, np.nan)
        measured = [r.boundary_f1 for r in self.records if r.boundary_f1 is not None]
        if measured:
            stacked = np.array(measured)
            defined = np.isfinite(stacked)
            occurs = defined.any(0)
            sums = np.where(defined, stacked, 0).sum(0)
            boundaries[occurs] = sums[occurs] / defined.sum(0)[occurs]
            metrics["boundary_f1"] = _mean(boundaries)
        return SegmentationResult(metrics, iou, boundaries, total)


def confusion_matrix(
    true_mask: NDArray[np.uint8], predicted_mask: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns), without unlabelled ones."""
    labelled = true_mask != IGNORE
    pairs = true_mask[labelled].astype(np.int64) * classes + predicted_mask[labelled]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class, NaN for one that is neither true nor predicted.

    Args:
        confusion: See `confusion_matrix`.
    """
    intersection = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - intersection
    iou = np.full(len(intersection), np.nan)
    iou[union > 0] = intersection[union > 0] / union[union > 0]
    return iou


def boundary_f1(
    true_mask: NDArray[np.uint8], predicted_mask: NDArray[np.uint8], classes: int
) -> NDArray[np.float64]:
    """Agreement of the boundaries of each class, 0 to 1.

    Precision and recall are the fractions of predicted and true boundary pixels within 0.75 % of
    the image's diagonal of the other boundary (Csurka et al. 2013, "What is a good evaluation
    measure for semantic segmentation?"). Edges between a class and unlabelled pixels are no
    boundaries.

    Args:
        true_mask: Class ids of shape (height, width), `IGNORE` for unlabelled pixels.
        predicted_mask: Class ids of the same shape.
        classes: Number of classes.

    Returns:
        Shape (classes,); NaN where neither mask has a boundary of the class, or where only one has
        and the true class is adjacent to unlabelled pixels; otherwise 0 where only one has.
    """
    tolerance = max(1.0, _TOLERANCE * float(np.hypot(*true_mask.shape)))
    unlabelled = true_mask == IGNORE
    judged = np.where(unlabelled, np.uint8(IGNORE), predicted_mask)
    true_edges, predicted_edges = _edges(true_mask), _edges(judged)
    near_unlabelled = cv2.dilate(unlabelled.astype(np.uint8), np.ones((3, 3), np.uint8))
    outline_unknown = near_unlabelled.astype(bool)
    scores = np.full(classes, np.nan)
    for class_id in range(classes):
        true = true_edges & (true_mask == class_id)
        predicted = predicted_edges & (judged == class_id)
        if not true.any() and not predicted.any():
            continue
        if not true.any() or not predicted.any():
            if not outline_unknown[true_mask == class_id].any():
                scores[class_id] = 0.0
            continue
        precision = (_distance(true)[predicted] <= tolerance).mean()
        recall = (_distance(predicted)[true] <= tolerance).mean()
        total = precision + recall
        scores[class_id] = 2 * precision * recall / total if total else 0.0
    return scores


def _edges(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels adjacent to a pixel of another class; unlabelled neighbours do not count."""
    edges = np.zeros(mask.shape, np.bool_)
    labelled = mask != IGNORE
    down = (mask[1:] != mask[:-1]) & labelled[1:] & labelled[:-1]
    across = (mask[:, 1:] != mask[:, :-1]) & labelled[:, 1:] & labelled[:, :-1]
    edges[1:] |= down
    edges[:-1] |= down
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    return edges


def _distance(pixels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of every pixel to the nearest of these."""
    others = (~pixels).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _mean(values: NDArray[np.float64]) -> float:
    """The mean of the defined values; NaN without any."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
