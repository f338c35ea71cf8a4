"""How good a segmenter is: IoU, pixel accuracy, boundary F-score."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.masks import IGNORE

_TOLERANCE = 0.0075
"""Boundaries match within this share of the image's diagonal (Csurka et al. 2013)."""


@dataclass(frozen=True, eq=False)
class ImageScore:
    """What is kept of an image that was compared with its truth.

    Attributes:
        source: Its file.
        confusion: int64 (classes, classes): pixels by truth (rows) and by answer (columns).
        boundary_f1: float64 (classes,), NaN where a class has no boundary in truth or answer;
            None where it was not measured.
        answer: The predicted mask as PNG; empty where it was not kept.
    """

    source: str
    confusion: NDArray[np.int64]
    boundary_f1: NDArray[np.float64] | None = None
    answer: bytes = b""

    @property
    def miou(self) -> float:
        """Mean IoU over the classes in this image; NaN where nothing is labelled."""
        return _mean(iou(self.confusion))


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures of a whole data set.

    Attributes:
        figures: `miou`, `pixel_accuracy`, and `boundary_f1` where it was measured.
        iou: float64 (classes,); NaN for a class that is neither in any truth nor in any answer.
        boundary_f1: float64 (classes,); NaN where undefined or not measured.
        confusion: int64 (classes, classes): pixels by truth (rows) and by answer (columns).
    """

    figures: dict[str, float]
    iou: NDArray[np.float64]
    boundary_f1: NDArray[np.float64]
    confusion: NDArray[np.int64]


class SegmentationMetrics:
    """Collects images one by one, and scores them all together.

    Args:
        class_names: One name for each id.
        thorough: Whether to measure boundaries and keep the answers too, which takes longer.
        records: What was collected before.
    """

    def __init__(
        self,
        class_names: tuple[str, ...],
        thorough: bool = False,
        records: Sequence[ImageScore] = (),
    ) -> None:
        self.class_names = class_names
        self.thorough = thorough
        self.records = list(records)

    def add(
        self, source: str, prediction: SegmentationPrediction, truth: NDArray[np.uint8]
    ) -> None:
        """Compare one image.

        Args:
            source: Its name.
            prediction: Of the image's size.
            truth: Class ids of shape (height, width), `IGNORE` where there is none.
        """
        classes = len(self.class_names)
        table = confusion(truth, prediction.mask, classes)
        if self.thorough:
            f1 = boundary_f1(truth, prediction.mask, classes)
            self.records.append(ImageScore(source, table, f1, prediction.png()))
        elif self.records:
            # Tables of many classes and images would fill the memory.
            table += self.records[0].confusion
            self.records = [ImageScore("", table)]
        else:
            self.records = [ImageScore("", table)]

    def compute(self) -> Scores:
        """The figures of all images: pixels are counted over the whole set, not by image."""
        classes = len(self.class_names)
        tables = [record.confusion for record in self.records]
        total = np.sum(tables, axis=0) if tables else np.zeros((classes, classes), np.int64)
        by_class = iou(total)
        counted = int(total.sum())
        figures = {
            "miou": _mean(by_class),
            "pixel_accuracy": float(np.trace(total) / counted) if counted else float("nan"),
        }
        boundaries = np.full(classes, np.nan)
        measured = [r.boundary_f1 for r in self.records if r.boundary_f1 is not None]
        if measured:
            stacked = np.array(measured)
            defined = np.isfinite(stacked)
            seen = defined.any(0)
            sums = np.where(defined, stacked, 0).sum(0)
            boundaries[seen] = sums[seen] / defined.sum(0)[seen]
            figures["boundary_f1"] = _mean(boundaries)
        return Scores(figures, by_class, boundaries, total)


def confusion(
    truth: NDArray[np.uint8], answer: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns), `IGNORE` left out."""
    labelled = truth != IGNORE
    pairs = truth[labelled].astype(np.int64) * classes + answer[labelled]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def iou(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class, NaN for one that is in neither truth nor answer.

    Args:
        table: See `confusion`.
    """
    hits = np.diag(table).astype(np.float64)
    union = table.sum(0) + table.sum(1) - hits
    shares = np.full(len(hits), np.nan)
    shares[union > 0] = hits[union > 0] / union[union > 0]
    return shares


def boundary_f1(
    truth: NDArray[np.uint8], answer: NDArray[np.uint8], classes: int
) -> NDArray[np.float64]:
    """How well the outlines of each class agree, 0 to 1.

    The F1 of the shares of boundary pixels that lie within 0.75 % of the image's diagonal of the
    other's boundary (Csurka et al. 2013, "What is a good evaluation measure for semantic
    segmentation?"). Edges between a class and unlabelled pixels are no boundaries.

    Args:
        truth: Class ids of shape (height, width), `IGNORE` where there is none.
        answer: Class ids of that shape.
        classes: How many there are.

    Returns:
        Shape (classes,); NaN where neither has a boundary of the class, or where only one has and
        the class ends at unlabelled pixels; 0 where only one has otherwise.
    """
    reach = max(1.0, _TOLERANCE * float(np.hypot(*truth.shape)))
    judged = np.where(truth == IGNORE, np.uint8(IGNORE), answer)
    true_edges, found_edges = _edges(truth), _edges(judged)
    around = cv2.dilate((truth == IGNORE).astype(np.uint8), np.ones((3, 3), np.uint8))
    unknown = around.astype(bool)
    scores = np.full(classes, np.nan)
    for number in range(classes):
        true, found = true_edges & (truth == number), found_edges & (judged == number)
        if not true.any() and not found.any():
            continue
        if not true.any() or not found.any():
            # Where the class ends at unlabelled pixels nobody knows its outline.
            if not unknown[truth == number].any():
                scores[number] = 0.0
            continue
        precision = (_distance(true)[found] <= reach).mean()
        recall = (_distance(found)[true] <= reach).mean()
        both = precision + recall
        scores[number] = 2 * precision * recall / both if both else 0.0
    return scores


def _edges(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels beside a pixel of another class; those beside unlabelled ones do not count."""
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
    """The distance of every pixel from the nearest of these."""
    others = (~pixels).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _mean(values: NDArray[np.float64]) -> float:
    """The mean of what is defined; NaN if nothing is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
