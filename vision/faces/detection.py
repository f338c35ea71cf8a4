"""Detect faces: run MTCNN's three networks, in any runtime, from coarse to fine."""

from collections.abc import Callable, Iterator, Sequence
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

_OVERLAP = 0.5
"""Intersection over union above which the weaker of two candidates is removed."""

_COVERED = 0.7
"""Share of a face's area inside another one of a higher score from which it is removed."""

_SMALLEST_HALF = 48
"""Side in pixels below which an image is not halved."""

_BLOCK = 128
"""Boxes that are compared with each other at once."""

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
    halves = _Halves(image)
    boxes = _propose(halves, stages.propose, min_face)
    if len(boxes):
        squares = _squares(boxes)
        score, offset = stages.refine(_crops(halves, squares, 24))
        boxes = _refined(squares, score, offset, _THRESHOLDS[1])
    if not len(boxes):
        return FoundFaces.none(size)
    squares = _squares(boxes)
    score, offset, points = stages.output(_crops(halves, squares, 48))
    sides = squares[:, 2:] - squares[:, :2]
    xy = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    landmarks = squares[:, None, :2] + xy * sides[:, None]
    adjusted = squares + offset * np.tile(sides, 2)
    likely = np.flatnonzero(score > _THRESHOLDS[2])
    keep = likely[_suppress(adjusted[likely], score[likely], _COVERED, relative_to_smaller=True)]
    limits = np.array([size[1], size[0]] * 2, np.float32)
    clipped = np.clip(adjusted[keep], 0, limits).astype(np.float32)
    inside = (clipped[:, 2:] > clipped[:, :2]).all(1)
    keep, clipped = keep[inside], clipped[inside]
    return FoundFaces(
        clipped, score[keep].astype(np.float32), landmarks[keep].astype(np.float32), size
    )


class _Halves:
    """An image and its copies of half, a quarter, ... of its size, to resize smaller ones from.

    Averaging over the whole image again for every level and every crop would take most of the time
    of a detection.

    Args:
        image: uint8 RGB of shape (height, width, 3).
    """

    def __init__(self, image: Pixels) -> None:
        self._images = [image]
        # A side of an odd length would shift all that is found in the smaller copy.
        while all(side % 2 == 0 and side >= 2 * _SMALLEST_HALF for side in image.shape[:2]):
            half = (image.shape[1] // 2, image.shape[0] // 2)
            image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
            self._images.append(image)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self._images[0].shape[0], self._images[0].shape[1]

    def above(self, scale: float) -> tuple[Pixels, int]:
        """The smallest copy with twice the resolution of a scale, and how often it is halved."""
        times = 0
        while times + 1 < len(self._images) and 0.5 ** (times + 1) >= 2 * scale:
            times += 1
        return self._images[times], times


def _propose(halves: _Halves, network: Network, min_face: int) -> Boxes:
    """Boxes (N, 4) from windows over an image pyramid, sorted by descending score."""
    candidates = [np.zeros((0, 9), np.float32)]
    levels = list(_pyramid(halves, min_face))
    if levels:
        canvas, corners = _pack([small for _, small in levels])
        all_scores, all_offsets = network(_batch(canvas[None]))
        for (scale, small), (left, top) in zip(levels, corners, strict=True):
            # Windows inside this level, and the black edge of one whose side is odd.
            height, width = (1 - (_WINDOW - side) // _STEP for side in small.shape[:2])
            left, top = left // _STEP, top // _STEP
            scores = all_scores[0, top : top + height, left : left + width]
            offsets = all_offsets[0, :, top : top + height, left : left + width]
            candidates.append(_likely_windows(scores, offsets, scale))
    every = np.concatenate(candidates)
    every = every[_suppress(every[:, :4], every[:, 4], _OVERLAP)][:_MOST_CANDIDATES]
    sides = every[:, 2:4] - every[:, :2]
    return every[:, :4] + every[:, 5:] * np.tile(sides, 2)


def _likely_windows(
    scores: NDArray[np.float32], offsets: NDArray[np.float32], scale: float
) -> NDArray[np.float32]:
    """The windows of a level with high scores: box, score and offsets, shape (N, 9).

    Args:
        scores: Shape (rows, columns).
        offsets: Shape (4, rows, columns).
        scale: That of the level.
    """
    rows, columns = np.nonzero(scores > _THRESHOLDS[0])
    corners = np.stack([columns, rows], 1) * np.float32(_STEP)
    boxes = np.concatenate([corners, corners + _WINDOW], 1) / scale
    score = scores[rows, columns]
    keep = _suppress(boxes, score, _OVERLAP)
    offset = offsets[:, rows[keep], columns[keep]].T
    return np.column_stack([boxes[keep], score[keep], offset]).astype(np.float32)


def _pack(images: Sequence[Pixels]) -> tuple[Pixels, list[tuple[int, int]]]:
    """Arrange images in rows of one image, so that a network runs once over all of them.

    Args:
        images: uint8 RGB in descending size, at least one.

    Returns:
        The image that contains them, and (left, top) of each in pixels, multiples of the step
        between windows.
    """
    spaces = [[-(-side // _STEP) * _STEP for side in image.shape[:2]] for image in images]
    limit = spaces[0][1]
    used: list[int] = []
    tops = [0]
    corners = []
    for height, width in spaces:
        row = next((i for i, taken in enumerate(used) if taken + width <= limit), len(used))
        if row == len(used):
            used.append(0)
            tops.append(tops[-1] + height)
        corners.append((used[row], tops[row]))
        used[row] += width
    canvas = np.zeros((tops[-1], limit, 3), np.uint8)
    for image, (left, top) in zip(images, corners, strict=True):
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas, corners


def _pyramid(halves: _Halves, min_face: int) -> Iterator[tuple[float, Pixels]]:
    """The image at ever smaller scales, at which a window covers an ever larger face."""
    height, width = halves.size
    scale = _WINDOW / min_face
    while min(height, width) * scale >= _WINDOW:
        small = (max(_WINDOW, round(width * scale)), max(_WINDOW, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image, _ = halves.above(scale)
        yield scale, np.asarray(cv2.resize(image, small, interpolation=method), np.uint8)
        scale *= _SHRINK


def _refined(
    squares: Boxes, scores: NDArray[np.float32], offsets: NDArray[np.float32], threshold: float
) -> Boxes:
    """The boxes above the threshold after suppression, moved by the predicted offsets."""
    likely = np.flatnonzero(scores > threshold)
    keep = likely[_suppress(squares[likely], scores[likely], _OVERLAP)]
    sides = squares[keep, 2:] - squares[keep, :2]
    return squares[keep] + offsets[keep] * np.tile(sides, 2)


def _squares(boxes: Boxes) -> Boxes:
    """Boxes extended to squares around their centres."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True).clip(2) / 2
    return np.concatenate([centres - half, centres + half], 1).astype(np.float32)


def _crops(halves: _Halves, squares: Boxes, side: int) -> NDArray[np.uint8]:
    """Crops of the squares, black beyond the image, uint8 (N, 3, side, side)."""
    crops = np.zeros((len(squares), side, side, 3), np.uint8)
    for crop, square in zip(crops, squares, strict=True):
        image, times = halves.above(side / float(square[2] - square[0]))
        height, width = image.shape[:2]
        x1, y1, x2, y2 = (round(each * 0.5**times) for each in square.tolist())
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
    keep: list[int] = []
    while len(order):
        block, order = order[:_BLOCK], order[_BLOCK:]
        overlapping = _overlaps(boxes[block], boxes[block], relative_to_smaller) > limit
        remaining = np.ones(len(block), bool)
        for i in range(len(block)):
            if remaining[i]:
                remaining[i + 1 :] &= ~overlapping[i, i + 1 :]
        kept = block[remaining]
        keep += kept.tolist()
        if len(order):
            overlapping = _overlaps(boxes[kept], boxes[order], relative_to_smaller) > limit
            order = order[~overlapping.any(0)]
    return np.array(keep, int)


def _overlaps(
    some: NDArray[np.floating], others: NDArray[np.floating], relative_to_smaller: bool
) -> NDArray[np.floating]:
    """Intersections of boxes over their unions, or over the smaller areas, shape (some, others)."""
    low = np.maximum(some[:, None, :2], others[:, :2])
    high = np.minimum(some[:, None, 2:], others[:, 2:])
    intersections = (high - low).clip(0).prod(2)
    areas = [(each[:, 2:] - each[:, :2]).clip(0).prod(1) for each in (some, others)]
    if relative_to_smaller:
        whole = np.minimum(areas[0][:, None], areas[1])
    else:
        whole = areas[0][:, None] + areas[1] - intersections
    return np.asarray(intersections / np.maximum(whole, 1e-9))
