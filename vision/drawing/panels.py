"""Text panels on images: labels with score bars, captions, notes, status lines."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visus.vision.colours import BAR, Colour
from visus.vision.drawing.text import font, shorten, text_tag, white_text, wrap
from visus.vision.images import Pixels

_INK = (255, 255, 255)
_PAPER = (24, 26, 32)


def draw_label_panel(image: Pixels, labels: Sequence[tuple[str, float]]) -> Pixels:
    """A copy of an image with a panel in its corner: a score bar and a line for each label.

    Images of less than 32 pixels get no panel.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        labels: Pairs of label and score, 0 to 1.
    """
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
        score_text = white_text(f"{score:.2f}  ", size, line, room)
        _write(row, size, score_text)
        left = size + score_text.shape[1]
        _write(row, left, white_text(label, size, line, room - left))
    return canvas


def caption_strip(text: str, shape: tuple[int, ...], opacity: int) -> Image.Image:
    """A strip with a sentence, wrapped to the width of an image.

    Args:
        text: The sentence.
        shape: Shape of the image, (height, width, ...).
        opacity: Opacity of the strip's background, 0 to 255.
    """
    height, width = shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    lines = wrap(text, width - size, size)
    strip = Image.new("RGBA", (width, round(size * 1.4) * len(lines)), (*_PAPER, opacity))
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((size // 2, round((i + 0.5) * size * 1.4)), line, _INK, font(size), anchor="lm")
    return strip


def draw_note(image: Pixels, note: str) -> Pixels:
    """A darkened copy of an image with a line of text across its centre."""
    canvas = Image.fromarray((image * 0.4).astype(np.uint8))
    height, width = image.shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    centre = (width / 2, height / 2)
    ImageDraw.Draw(canvas).text(centre, shorten(note, width, size), _INK, font(size), anchor="mm")
    return np.asarray(canvas)


def draw_lines(image: Pixels, lines: Sequence[str]) -> Pixels:
    """A copy of an image with lines of text in its upper right corner, wrapped to its width."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    size = max(10, min(20, round(min(height, width) / 30)))
    top = 0
    for text in (part for line in lines for part in wrap(line, width - 8, size)):
        tag = text_tag(text, size, _PAPER)[: max(0, height - top), :width]
        canvas[top : top + tag.shape[0], width - tag.shape[1] :] = tag
        top += tag.shape[0]
    return canvas


def _tint(area: Pixels, colour: Colour, strength: float) -> None:
    """Blend a colour into pixels in place; `strength` 0 to 1."""
    if area.size:
        area[:] = cv2.transform(area, _mixture(colour, strength))


@cache
def _mixture(colour: Colour, strength: float) -> NDArray[np.float64]:
    """Matrix of shape (3, 4) for `cv2.transform` that blends a colour into pixels."""
    return np.column_stack([(1 - strength) * np.eye(3), strength * np.array(colour)])


def _write(row: Pixels, left: int, cover: Pixels) -> None:
    """Draw white text on dark pixels in place, starting at column `left`."""
    part = row[:, left : left + cover.shape[1]]
    np.maximum(part, cover[: part.shape[0]], out=part)
