"""Labelled bounding boxes on images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.colours import CASING, class_colour
from visus.vision.drawing.places import place_labels
from visus.vision.drawing.sizes import line_width, type_size
from visus.vision.drawing.text import scored_tag, shorten, tag_height, text_tag
from visus.vision.images import Pixels


def draw_boxes(
    image: Pixels,
    boxes: NDArray[np.floating],
    labels: Sequence[str],
    colour_ids: NDArray[np.integer],
    scores: NDArray[np.floating] | None = None,
    still: bool = True,
) -> Pixels:
    """A copy of the image with labelled boxes.

    Labels do not cover each other. Where there is no room, a label loses its score, and if that is
    not enough, the box has none.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels, sorted by descending importance.
        labels: Text of each box; empty for none.
        colour_ids: Colour of each box, see `visus.vision.colours.class_colour`.
        scores: A number for each box, written after its label; None for no numbers.
        still: Whether the image is not a frame of a video, see `place_labels`.
    """
    canvas = np.ascontiguousarray(image).copy()
    size, thick = type_size(canvas.shape), line_width(canvas.shape)
    colours = [class_colour(int(number)) for number in colour_ids]
    corners = np.rint(boxes).astype(int).tolist()
    # The first box is drawn last, on top of the others.
    for (x1, y1, x2, y2), colour in zip(reversed(corners), reversed(colours), strict=True):
        # A line as thick as in large boxes would hide small objects.
        line = max(1, min(thick, min(x2 - x1, y2 - y1) // 10))
        # Lines of one pixel are much faster to draw than thick ones.
        for ring in range(-max(1, line // 3), line):
            ink = CASING if ring < 0 else colour
            last = (x2 - 1 - ring, y2 - 1 - ring)
            cv2.rectangle(canvas, (x1 + ring, y1 + ring), last, ink)
    widest = canvas.shape[1] - size
    numbers = [] if scores is None else scores.tolist()
    tags = []
    for i, text in enumerate(labels):
        forms = [text_tag(shorten(text, widest, size), size, colours[i])] if text else []
        if numbers and forms:
            score = f"{numbers[i]:.2f}"
            forms.insert(0, scored_tag(shorten(text, widest, size), score, size, colours[i]))
        tags.append(forms)
    height = tag_height(size)
    widths = [[tag.shape[1] for tag in forms] for forms in tags]
    for place, forms in zip(
        place_labels(boxes, widths, height, canvas.shape, still), tags, strict=True
    ):
        if place is not None:
            form, left, top = place
            part = canvas[top : top + height, left : left + forms[form].shape[1]]
            part[:] = forms[form][: part.shape[0], : part.shape[1]]
    return canvas
