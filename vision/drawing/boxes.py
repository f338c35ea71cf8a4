"""Labelled bounding boxes on images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.colours import class_colour
from visus.vision.drawing.text import text_tag
from visus.vision.images import Pixels


def draw_boxes(
    image: Pixels,
    boxes: NDArray[np.floating],
    labels: Sequence[str],
    colour_ids: NDArray[np.integer],
) -> Pixels:
    """A copy of the image with labelled boxes.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels.
        labels: Text of each box; empty for none.
        colour_ids: Colour of each box, see `visus.vision.colours.class_colour`.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    size = max(11, min(24, round(min(height, width) / 32)))
    thick = max(1, round(min(height, width) / 240))
    # Boxes are sorted by descending score; the first is drawn last, on top of the others.
    for i in reversed(range(len(boxes))):
        x1, y1, x2, y2 = (round(float(value)) for value in boxes[i])
        colour = class_colour(int(colour_ids[i]))
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
        if not labels[i]:
            continue
        tag = text_tag(labels[i], size, colour)
        rows, columns = min(tag.shape[0], height), min(tag.shape[1], width)
        top = y1 - rows if y1 >= rows else min(y1, height - rows)
        left = max(0, min(x1, width - columns))
        canvas[top : top + rows, left : left + columns] = tag[:rows, :columns]
    return canvas
