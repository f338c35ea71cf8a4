"""Detect faces: run MTCNN's three networks, in any runtime, from coarse to fine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.found import FoundFaces
from visus.vision.images import Pixels

Network = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], ...]]
"""From uint8 images of shape (batch, 3, height, width) to a network's outputs."""

_WINDOW, _STEP = 12, 2
_SHRINK = 0.709
_THRESHOLDS = (0.6, 0.7, 0.7)
_MOST_CANDIDATES = 512

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class FaceStages:
    """The three networks; see `visus.models.faces.mtcnn` for what they return.

    Attributes:
        propose: Scores and box offsets for windows all over an image.
        refine: Scores and box offsets for crops of 24 x 24 pixels.
        output: Scores, box offsets and landmarks for crops of 48 x 48 pixels.
    """

    propose: Network
    refine: Network
    output: Network


def find_faces(image: Pixels, stages: FaceStages, min_face: int) -> FoundFaces:
    """Detect the faces of an image, sorted by descending score.

    Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
    Networks".

    Args:
        image: uint8 RGB of shape (height, width, 3).
        stages: The networks.
        min_face: Side of the smallest face to detect, in pixels; the time grows with its inverse
            square.
    """
    size = (image.shape[0], image.shape[1])
    boxes = _propose(image, stages.propose, min_face)
    if len(boxes):
        squares = _squares(boxes)
        score, offset = stages.refine(_crops(image, squares, 24))
        boxes = _refined(squares, score, offset, _THRESHOLDS[1])
    if not len(boxes):
        return FoundFaces.none(size)
    squares = _squares(boxes)
    score, offset, points = stages.output(_crops(image, squares, 48))
    sides = squares[:, 2:] - squares[:, :2]
    xy = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    landmarks = squares[:, None, :2] + xy * sides[:, None]
    adjusted = squares + offset * np.tile(sides, 2)
    likely = np.flatnonzero(score > _THRESHOLDS[2])
    keep = likely[_suppress(adjusted[likely], score[likely], 0.7, relative_to_smaller=True)]
    limits = np.array([size[1], size[0]] * 2, np.float32)
    clipped = np.clip(adjusted[keep], 0, limits).astype(np.float32)
    inside = (clipped[:, 2:] > clipped[:, :2]).all(1)
    keep, clipped = keep[inside], clipped[inside]
    return FoundFaces(
        clipped, score[keep].astype(np.float32), landmarks[keep].astype(np.float32), size
    )


def _propose(image: Pixels, network: Network, min_face: int) -> Boxes:
    """Boxes (N, 4) from windows over an image pyramid, sorted by descending score."""
    candidates = [np.zeros((0, 9), np.float32)]
    for scale, small in _pyramid(image, min_face):
        scores, offsets = network(_batch(small[None]))
        rows, columns = np.nonzero(scores[0] > _THRESHOLDS[0])
        corners = np.stack([columns, rows], 1) * np.float32(_STEP)
        boxes = np.concatenate([corners, corners + _WINDOW], 1) / scale
        score = scores[0][rows, columns]
        keep = _suppress(boxes, score, 0.5)
        offset = offsets[0][:, rows[keep], columns[keep]].T
        candidates.append(np.column_stack([boxes[keep], score[keep], offset]).astype(np.float32))
    every = np.concatenate(candidates)
    every = every[_suppress(every[:, :4], every[:, 4], 0.7)][:_MOST_CANDIDATES]
    sides = every[:, 2:4] - every[:, :2]
    return every[:, :4] + every[:, 5:] * np.tile(sides, 2)


def _pyramid(image: Pixels, min_face: int) -> Iterator[tuple[float, Pixels]]:
    """The image at ever smaller scales, at which a window covers an ever larger face."""
    height, width = image.shape[:2]
    scale = _WINDOW / min_face
    while min(height, width) * scale >= _WINDOW:
        small = (max(_WINDOW, round(width * scale)), max(_WINDOW, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        yield scale, np.asarray(cv2.resize(image, small, interpolation=method), np.uint8)
        scale *= _SHRINK


def _refined(
    squares: Boxes, scores: NDArray[np.float32], offsets: NDArray[np.float32], threshold: float
) -> Boxes:
    """The boxes above the threshold after suppression, moved by the predicted offsets."""
    likely = np.flatnonzero(scores > threshold)
    keep = likely[_suppress(squares[likely], scores[likely], 0.7)]
    sides = squares[keep, 2:] - squares[keep, :2]
    return squares[keep] + offsets[keep] * np.tile(sides, 2)


def _squares(boxes: Boxes) -> Boxes:
    """Boxes extended to squares around their centres."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True).clip(2) / 2
    return np.concatenate([centres - half, centres + half], 1).astype(np.float32)


def _crops(image: Pixels, squares: Boxes, side: int) -> NDArray[np.uint8]:
    """Crops of the squares, black beyond the image, uint8 (N, 3, side, side)."""
    height, width = image.shape[:2]
    crops = np.zeros((len(squares), side, side, 3), np.uint8)
    for crop, square in zip(crops, np.rint(squares).astype(int), strict=True):
        x1, y1, x2, y2 = square.tolist()
        left, top, right, bottom = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
        if left >= right or top >= bottom:
            continue
        piece: Any = image[top:bottom, left:right]
        if (left, top, right, bottom) != (x1, y1, x2, y2):
            edges = (top - y1, y2 - bottom, left - x1, x2 - right)
            piece = cv2.copyMakeBorder(piece, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        method = cv2.INTER_AREA if piece.shape[0] > side else cv2.INTER_LINEAR
        crop[:] = cv2.resize(piece, (side, side), interpolation=method)
    return _batch(crops)


def _batch(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From (N, height, width, 3) to (N, 3, height, width)."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _suppress(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    limit: float,
    relative_to_smaller: bool = False,
) -> NDArray[np.int_]:
    """Non-maximum suppression; returns the indices of the remaining boxes by descending score.

    Args:
        boxes: Shape (N, 4).
        scores: Shape (N,).
        limit: A box is removed where its overlap with one of a higher score exceeds this, 0 to 1.
        relative_to_smaller: Divide the intersection by the area of the smaller box instead of the
            union.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)
    keep = []
    while len(order):
        first, rest = order[0], order[1:]
        keep.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        intersection = (high - low).clip(0).prod(1)
        whole = (
            np.minimum(areas[first], areas[rest])
            if relative_to_smaller
            else areas[first] + areas[rest] - intersection
        )
        order = rest[intersection <= limit * whole]
    return np.array(keep, int)
