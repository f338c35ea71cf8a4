"""Ground truth of one image, as data modules give it and metrics compare it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class DetectionTruth:
    """What is in an image.

    Attributes:
        boxes: float32 (N, 4), (x1, y1, x2, y2) in pixels of the image.
        class_ids: int64 (N,).
        ignored: bool (N,): regions whose detections count neither as right nor as wrong.
        areas: float32 (N,): pixels that each object covers, which decide its size.
        masks: COCO run lengths of each object; None where masks are not measured.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float32]
    masks: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class CaptionTruth:
    """What people say of an image.

    Attributes:
        captions: Their sentences.
    """

    captions: tuple[str, ...]

    def judge(self, caption: str) -> bool | None:
        """Whether a caption is true; None where only people could tell."""
        return None


@dataclass(frozen=True)
class FacePair:
    """Two images, and whether they show the same person.

    Attributes:
        first: Name of an image.
        second: Name of the other.
        same: Whether both show the same person.
        fold: Which part of the test they belong to, from 0; people do not cross folds.
    """

    first: str
    second: str
    same: bool
    fold: int
