"""Text on images: bars with labels, captions, notes, lines of status."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visus.vision.colours import BAR, Colour
from visus.vision.drawing.text import font, shorten, tag_of, white_text, wrap
from visus.vision.images import Pixels

_INK = (255, 255, 255)


_PAPER = (24, 26, 32)


def draw_label_panel(image: Pixels, labels: Sequence[tuple[str, float]]) -> Pixels:
    """A panel in the corner: a bar and a line for each label; none where there is no room."""
    canvas = image.copy()
    height, width = image.shape[:2]
    if min(height, width) < 32:
        return canvas
    size = max(10, min(28, round(min(height, width) / 18)))
    line = round(size * 1.5)
    rows = labels[: max(1, (height - size) // line)] or [("none", 0.0)]
    panel = canvas[: line * len(rows) + size // 2, : size * 17]
    _tint(panel, _PAPER, 0.75)
    room = panel.shape[1] - size
    for i, (label, score) in enumerate(rows):
        row = panel[size // 4 + i * line :][:line]
        _tint(row[2:-1, size // 2 :][:, : round(room * score)], BAR, 0.8)
        number = white_text(f"{score:.2f}  ", size, line, room)
        _write(row, size, number)
        left = size + number.shape[1]
        _write(row, left, white_text(label, size, line, room - left))
    return canvas


def caption_strip(text: str, shape: tuple[int, ...], opacity: int) -> Image.Image:
    """A sentence as wide as an image of that shape, in as many lines as it needs."""
    height, width = shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    lines = wrap(text, width - size, size)
    strip = Image.new("RGBA", (width, round(size * 1.4) * len(lines)), (*_PAPER, opacity))
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((size // 2, round((i + 0.5) * size * 1.4)), line, _INK, font(size), anchor="lm")
    return strip


def draw_note(image: Pixels, note: str) -> Pixels:
    """A darkened copy of an image with a line on it."""
    canvas = Image.fromarray((image * 0.4).astype(np.uint8))
    height, width = image.shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    middle = (width / 2, height / 2)
    ImageDraw.Draw(canvas).text(middle, shorten(note, width, size), _INK, font(size), anchor="mm")
    return np.asarray(canvas)


def draw_lines(image: Pixels, lines: Sequence[str]) -> Pixels:
    """A copy of an image with lines of text in its upper right corner, broken where too long."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    size = max(10, min(20, round(min(height, width) / 30)))
    top = 0
    for text in (part for line in lines for part in wrap(line, width - 8, size)):
        tag = tag_of(text, size, _PAPER)[: max(0, height - top), :width]
        canvas[top : top + tag.shape[0], width - tag.shape[1] :] = tag
        top += tag.shape[0]
    return canvas


def _tint(area: Pixels, colour: Colour, strength: float) -> None:
    """Mix that much of a colour, 0 to 1, into pixels, in their place."""
    if area.size:
        area[:] = cv2.transform(area, _mixture(colour, strength))


@cache
def _mixture(colour: Colour, strength: float) -> NDArray[np.float64]:
    """The matrix that mixes that much of a colour into a pixel, (3, 4) as `cv2.transform` takes."""
    return np.column_stack([(1 - strength) * np.eye(3), strength * np.array(colour)])


def _write(row: Pixels, left: int, cover: Pixels) -> None:
    """Write a line of white text on dark pixels, in their place, from a column on."""
    part = row[:, left : left + cover.shape[1]]
    np.maximum(part, cover[: part.shape[0]], out=part)
