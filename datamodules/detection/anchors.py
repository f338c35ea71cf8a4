"""Anchors fitted to the boxes of a data set, as in YOLOv2 (Redmon and Farhadi 2017)."""

import numpy as np
from numpy.typing import NDArray

AnchorShapes = list[list[list[float]]]
"""(width, height) in pixels of the input: three anchors for each of five levels, finest first."""

_SIZES = (16, 32, 64, 128, 256)
_ASPECTS = (0.5, 1.0, 2.0)
_ROUNDS = 50


def fit_anchors(shapes: NDArray[np.floating]) -> AnchorShapes:
    """Cluster the shapes of boxes by k-means with IoU as similarity, three on each pyramid level.

    A level is fitted to the boxes of its own size, as the others are detected on other levels; a
    level without boxes keeps the default anchors.

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
            cluster = shape_iou(members, centres).argmax(1)
            moved = [
                np.median(members[cluster == i], axis=0) if (cluster == i).any() else centres[i]
                for i in range(len(centres))
            ]
            if np.allclose(moved, centres):
                break
            centres = np.array(moved)
        fitted.append(centres.round(1).tolist())
    return fitted


def shape_iou(shapes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """IoU of (N, 2) shapes with each of (M, 2) others, with equal centres: (N, M)."""
    intersection = np.minimum(shapes[:, None], others[None]).prod(-1)
    areas = shapes.prod(1)[:, None] + others.prod(1)[None]
    return np.asarray(intersection / (areas - intersection))
