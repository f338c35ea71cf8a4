"""Anchors fitted to a data set's boxes, as YOLOv2 does (Redmon and Farhadi 2017)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnchorShapes = list[list[list[float]]]
"""(width, height) in pixels of the input: three anchors for each of five levels, finest first."""

_SIZES = (16, 32, 64, 128, 256)
_ASPECTS = (0.5, 1.0, 2.0)
_ROUNDS = 50


def fit_anchors(shapes: NDArray[np.floating]) -> AnchorShapes:
    """k-means of three shapes on each pyramid level, by the overlap of shapes laid on each other.

    A level keeps to the boxes of its own size, since the others are found elsewhere; of a level
    without boxes the usual shapes stay.

    Args:
        shapes: (width, height) of the boxes in pixels of the input, (N, 2).
    """
    sides = np.sqrt(shapes.prod(1).clip(1e-6))
    levels = np.log2(sides / _SIZES[0]).round().clip(0, len(_SIZES) - 1)
    fitted = []
    for level, size in enumerate(_SIZES):
        centres = np.array([[size / aspect**0.5, size * aspect**0.5] for aspect in _ASPECTS])
        members = shapes[levels == level].astype(float)
        for _ in range(_ROUNDS if len(members) else 0):
            owner = shape_overlaps(members, centres).argmax(1)
            moved = [
                np.median(members[owner == i], axis=0) if (owner == i).any() else centres[i]
                for i in range(len(centres))
            ]
            if np.allclose(moved, centres):
                break
            centres = np.array(moved)
        fitted.append(centres.round(1).tolist())
    return fitted


def shape_overlaps(shapes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[Any]:
    """Intersection over union of (N, 2) shapes and (M, 2) others around one centre: (N, M)."""
    shared = np.minimum(shapes[:, None], others[None]).prod(-1)
    return np.asarray(shared / (shapes.prod(1)[:, None] + others.prod(1)[None] - shared))
