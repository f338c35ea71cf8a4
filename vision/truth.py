"""Ground truth of one image, which data modules read and metrics compare with predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class DetectionTruth:
    """The annotated objects of an image.

    Attributes:
        boxes: float32 (N, 4), (x1, y1, x2, y2) in pixels of the image.
        class_ids: int64 (N,).
        ignored: bool (N,): regions in which detections count neither as right nor as wrong.
        areas: float32 (N,): area of each object in pixels, which decides its size category.
        masks: COCO run lengths of each object; None if masks are not measured.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float32]
    masks: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class CaptionTruth:
    """The reference captions of an image.

    Attributes:
        captions: Sentences written by people.
    """

    captions: tuple[str, ...]

    def is_correct(self, caption: str) -> bool | None:
        """Whether a caption is true of the image; None if that is unknown."""
        return None


@dataclass(frozen=True)
class FacePair:
    """Two images, and whether they show the same person.

    Attributes:
        first: Name of an image.
        second: Name of the other.
        same: Whether both show the same person.
        fold: Index of the cross-validation fold, from 0; no person occurs in two folds.
    """

    first: str
    second: str
    same: bool
    fold: int
