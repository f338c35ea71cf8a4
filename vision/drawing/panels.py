"""Text panels on images: labels with score bars, legends, captions, notes, status lines."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visus.vision.colours import BAR, Colour
from visus.vision.drawing.sizes import type_size
from visus.vision.drawing.text import font, shorten, text_tag, white_text, wrap
from visus.vision.images import Pixels

_INK = (255, 255, 255)
_PAPER = (24, 26, 32)
_MAX_SHARE = 0.2
"""Largest part of an image that a panel may cover."""


def draw_label_panel(image: Pixels, labels: Sequence[tuple[str, float]], still: bool) -> Pixels:
    """A copy of an image with a panel in its corner: a score bar and a line for each label.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        labels: Pairs of label and score, 0 to 1.
        still: Whether the image is not a frame of a video: the panel is in the corner with the
            fewest details, and below a small image. On frames it is in the upper left corner and
            has fewer lines where there is little room, on those of less than 32 pixels none.
    """
    size = type_size(image.shape)
    line = round(size * 1.5)
    rows = labels or [("none", 0.0)]
    canvas, (top, left, bottom, right) = _make_room(
        image, line, len(rows), size // 2, size * 13, still
    )
    panel = canvas[top:bottom, left:right]
    rows = rows[: (bottom - top - size // 2) // line] if panel.size else []
    _tint(panel, _PAPER, 0.75)
    room = panel.shape[1] - size
    for i, (label, score) in enumerate(rows):
        row = panel[size // 4 + i * line :][:line]
        _tint(row[2:-1, size // 2 :][:, : round(room * score)], BAR, 0.8)
        score_text = white_text(f"{score:.2f}  ", size, line, room)
        _write(row, size, score_text)
        start = size + score_text.shape[1]
        _write(row, start, white_text(label, size, line, room - start))
    return canvas


def draw_legend(image: Pixels, rows: Sequence[tuple[str, Colour]], still: bool) -> Pixels:
    """A copy of an image with a legend in its corner, a coloured line for each text.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        rows: Pairs of text and colour, the most important first.
        still: As for `draw_label_panel`.
    """
    size = type_size(image.shape)
    tags = [text_tag(shorten(text, size * 13, size), size, colour) for text, colour in rows]
    if not tags:
        return image.copy()
    line = tags[0].shape[0]
    width = max(tag.shape[1] for tag in tags)
    canvas, (top, left, bottom, right) = _make_room(image, line, len(tags), 0, width, still)
    for tag in tags[: (bottom - top) // line]:
        tag = tag[:, : right - left]
        canvas[top : top + line, left : left + tag.shape[1]] = tag
        top += line
    return canvas


def caption_strip(text: str, shape: tuple[int, ...], opacity: int) -> Image.Image:
    """A strip with a sentence, wrapped to the width of an image.

    Args:
        text: The sentence; cut off after three lines.
        shape: Shape of the image, (height, width, ...).
        opacity: Opacity of the strip's background, 0 to 255.
    """
    width, size = shape[1], round(type_size(shape) * 1.2)
    lines = wrap(text, width - size, size)
    if len(lines) > 3:
        lines = [*lines[:2], shorten(" ".join(lines[2:]), width - size, size)]
    strip = Image.new("RGBA", (width, round(size * 1.4) * len(lines)), (*_PAPER, opacity))
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((size // 2, round((i + 0.5) * size * 1.4)), line, _INK, font(size), anchor="lm")
    return strip


def draw_note(image: Pixels, note: str) -> Pixels:
    """A darkened copy of an image with a line of text across its centre."""
    canvas = Image.fromarray((image * 0.4).astype(np.uint8))
    height, width = image.shape[:2]
    size = round(type_size(image.shape) * 1.2)
    centre = (width / 2, height / 2)
    ImageDraw.Draw(canvas).text(centre, shorten(note, width, size), _INK, font(size), anchor="mm")
    return np.asarray(canvas)


def draw_lines(image: Pixels, lines: Sequence[str]) -> Pixels:
    """A copy of an image with lines of text in its upper right corner, wrapped to its width."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    size = type_size(image.shape)
    top = 0
    for text in (part for line in lines for part in wrap(line, width - 8, size)):
        tag = text_tag(text, size, _PAPER)[: max(0, height - top), :width]
        canvas[top : top + tag.shape[0], width - tag.shape[1] :] = tag
        top += tag.shape[0]
    return canvas


def _make_room(
    image: Pixels, line: int, lines: int, margin: int, width: int, still: bool
) -> tuple[Pixels, tuple[int, int, int, int]]:
    """A copy of an image, and where on it a panel goes.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        line: Height of a line in pixels.
        lines: How many lines the panel needs.
        margin: Further rows of pixels that it needs.
        width: Its width in pixels.
        still: Whether the copy may be larger than the image, with the panel below it.

    Returns:
        The copy and (top, left, bottom, right) of the panel.
    """
    rows, columns = image.shape[:2]
    height = line * lines + margin
    share = height * width / max(1, rows * columns)
    if still and (share > _MAX_SHARE or height > rows or width > columns):
        canvas = np.full((rows + height, max(columns, width), 3), _PAPER, np.uint8)
        left = (canvas.shape[1] - columns) // 2
        canvas[:rows, left : left + columns] = image
        return canvas, (rows, 0, rows + height, canvas.shape[1])
    canvas = image.copy()
    if still:
        top, left = _calmest_corner(image, height, width)
        return canvas, (top, left, top + height, left + width)
    if min(rows, columns) < 32:
        return canvas, (0, 0, 0, 0)
    width = min(width, columns)
    fitting = max(1, (round(_MAX_SHARE * rows * columns / width) - margin) // line)
    return canvas, (0, 0, min(line * min(lines, fitting) + margin, rows), width)


def _calmest_corner(image: Pixels, height: int, width: int) -> tuple[int, int]:
    """(row, column) of the panel in the corner with the fewest edges."""
    scale = min(1.0, 256 / max(image.shape[:2]))
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    edges = np.abs(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    bottom, right = image.shape[0] - height, image.shape[1] - width
    corners = {
        # Without a clear difference the panel stays in the upper left corner.
        (0, 0): edges[:tall, :wide].mean() * 0.7,
        (0, right): edges[:tall, -wide:].mean(),
        (bottom, 0): edges[-tall:, :wide].mean(),
        (bottom, right): edges[-tall:, -wide:].mean(),
    }
    return min(corners, key=lambda corner: corners[corner])


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
