"""Places for the labels of boxes: apart from each other, beside the objects."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int, int]
"""The form of a label, and (column, row) of its upper left corner."""


def place_labels(
    boxes: NDArray[np.floating],
    widths: Sequence[Sequence[int]],
    height: int,
    shape: tuple[int, ...],
    still: bool,
) -> list[Place | None]:
    """Find a place for the label of each box, in the image and free of other labels.

    Labels of earlier boxes choose first.

    Args:
        boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels.
        widths: For each box the width of its label in every form, the fullest form first; empty
            for a box without a label.
        height: Height of the labels.
        shape: Shape of the image, (height, width, ...).
        still: Whether the image is not a frame of a video: of the free places around a box the one
            is taken that hides the least of any object. Otherwise it is the first free one,
            beginning above the upper left corner, so that labels of moving objects do not jump.

    Returns:
        For each box its label's place; None where not even the last form has room.
    """
    places: list[Place | None] = [None] * len(boxes)
    rows, right = min(height, shape[0]), shape[1]
    corners = np.rint(boxes).astype(int).tolist()
    # Labels by the rows of their upper and lower edge in units of their height: only those of two
    # such rows can meet.
    taken: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for form in range(max(map(len, widths), default=0)):
        for i, box in enumerate(corners):
            if places[i] is not None or form >= len(widths[i]):
                continue
            # A label wider or higher than the image is cut off.
            wide = min(widths[i][form], right)
            around = _candidates(box, rows, wide, shape)
            if still:
                hidden = _hidden(around, rows, wide, boxes)
                around = [around[k] for k in np.argsort(hidden, kind="stable")]
            for left, top in around:
                first, last = top // height, (top + rows - 1) // height
                if _is_free(taken[first], left, top, wide, height) and _is_free(
                    taken[last], left, top, wide, height
                ):
                    for band in {first, last}:
                        taken[band].append((left, top, left + wide))
                    places[i] = (form, left, top)
                    break
    return places


def _is_free(labels: list[tuple[int, int, int]], left: int, top: int, wide: int, tall: int) -> bool:
    """Whether a place meets none of some labels, (left, top, right), all of one height."""
    for start, above, end in labels:
        if start < left + wide and left < end and -tall < above - top < tall:
            return False
    return True


def _candidates(
    box: list[int], rows: int, wide: int, shape: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Upper left corners (column, row) of a label around a box, moved into the image."""
    right, bottom = shape[1] - wide, shape[0] - rows
    x1, y1, x2, y2 = box
    # Above and below, each at the left and at the right; beside the box, each at the top and at the
    # bottom; inside.
    start, end = max(0, min(x1, right)), max(0, min(x2 - wide, right))
    after, before = max(0, min(x2, right)), max(0, min(x1 - wide, right))
    above, below = max(0, min(y1 - rows, bottom)), max(0, min(y2, bottom))
    top, low = max(0, min(y1, bottom)), max(0, min(y2 - rows, bottom))
    return [
        (start, above),
        (start, below),
        (end, above),
        (end, below),
        (after, top),
        (before, top),
        (after, low),
        (before, low),
        (start, top),
        (start, low),
    ]


def _hidden(
    corners: list[tuple[int, int]], rows: int, wide: int, boxes: NDArray[np.floating]
) -> NDArray[np.floating]:
    """The sum of the fractions of all objects that a label in each place hides: (places,)."""
    left, top = np.array(corners)[..., None].transpose(1, 0, 2)
    x1, y1, x2, y2 = boxes.T
    across = np.minimum(left + wide, x2) - np.maximum(left, x1)
    down = np.minimum(top + rows, y2) - np.maximum(top, y1)
    areas = np.maximum((x2 - x1) * (y2 - y1), 1)
    hidden = (np.maximum(across, 0) * np.maximum(down, 0) / areas).sum(-1)
    # Differences that nobody sees do not move a label away from its first place.
    return np.asarray(np.round(hidden, 2))
