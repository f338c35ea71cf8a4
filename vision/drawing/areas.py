"""Lines, polygons and their labels on images."""

from collections.abc import Sequence

import cv2
import numpy as np

from visus.vision.colours import CASING, Colour
from visus.vision.drawing.sizes import line_width, type_size
from visus.vision.drawing.text import shorten, tag_height, text_tag
from visus.vision.images import Pixels

_TINT = 0.18
"""Opacity of a polygon, 0 to 1."""


def draw_directed_line(
    image: Pixels, points: Sequence[tuple[float, float]], colour: Colour
) -> Pixels:
    """A copy of the image with a line; an arrow in its middle points to its left.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        points: The two ends, (x, y) in pixels; left as seen from the first to the second.
        colour: Of the line.
    """
    canvas = np.ascontiguousarray(image).copy()
    start, end = np.array(points, float)
    thick = line_width(image.shape)
    middle, along = (start + end) / 2, (end - start) / max(1e-9, np.linalg.norm(end - start))
    tip = middle + 3 * type_size(image.shape) * 0.6 * np.array([along[1], -along[0]])
    for ink, width in ((CASING, thick + 2), (colour, thick)):
        cv2.line(canvas, _corner(start), _corner(end), ink, width, cv2.LINE_AA)
        cv2.arrowedLine(canvas, _corner(middle), _corner(tip), ink, width, cv2.LINE_AA, 0, 0.4)
    return canvas


def draw_polygon(image: Pixels, points: Sequence[tuple[float, float]], colour: Colour) -> Pixels:
    """A copy of the image with a tinted polygon.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        points: The corners, (x, y) in pixels.
        colour: Of the polygon.
    """
    canvas = np.ascontiguousarray(image).copy()
    corners = np.rint(np.array(points)).astype(np.int32)
    tinted = cv2.fillPoly(canvas.copy(), [corners], colour)
    canvas = np.asarray(cv2.addWeighted(canvas, 1 - _TINT, tinted, _TINT, 0), np.uint8)
    thick = line_width(image.shape)
    for ink, width in ((CASING, thick + 2), (colour, thick)):
        cv2.polylines(canvas, [corners], True, ink, width, cv2.LINE_AA)
    return canvas


def draw_label(image: Pixels, place: tuple[float, float], label: str, colour: Colour) -> Pixels:
    """A copy of the image with a label below a place, moved into the image.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        place: (x, y) in pixels.
        label: A line of text.
        colour: Of its background.
    """
    canvas = np.ascontiguousarray(image).copy()
    size = type_size(canvas.shape)
    tag = text_tag(shorten(label, canvas.shape[1] - size, size), size, colour)
    left = max(0, min(round(place[0]), canvas.shape[1] - tag.shape[1]))
    top = max(0, min(round(place[1]) + size // 2, canvas.shape[0] - tag_height(size)))
    part = canvas[top : top + tag.shape[0], left : left + tag.shape[1]]
    part[:] = tag[: part.shape[0], : part.shape[1]]
    return canvas


def _corner(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
