"""Draw predictions and figures on pictures; text by Pillow, so that every alphabet works."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vision.errors import VisusError
from vision.images import Pixels
from vision.predictions import ClassificationPrediction, Prediction

_INK = (255, 255, 255)
_PAPER = (24, 26, 32)
_BAR = (64, 132, 244)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def draw_prediction(image: Pixels, prediction: Prediction) -> Pixels:
    """A copy of the picture with its prediction drawn on it.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this picture.
    """
    if isinstance(prediction, ClassificationPrediction):
        return _draw_classes(image, prediction.labels()[:5])
    raise TypeError(f"no drawing for {type(prediction).__name__}")


def _draw_classes(image: Pixels, labels: Sequence[tuple[str, float]]) -> Pixels:
    """A panel in the corner: a bar and a line for each label; none where there is no room."""
    height, width = image.shape[:2]
    if min(height, width) < 32:
        return image.copy()
    canvas = Image.fromarray(image)
    size = max(10, min(28, round(min(height, width) / 18)))
    line = round(size * 1.5)
    rows = labels[: max(1, (height - size) // line)] or [("none", 0.0)]
    panel_width = min(width, size * 17)
    overlay = Image.new("RGBA", (panel_width, line * len(rows) + size // 2), (*_PAPER, 190))
    draw = ImageDraw.Draw(overlay)
    for i, (label, score) in enumerate(rows):
        top = size // 4 + i * line
        bar = round((panel_width - size) * score)
        draw.rectangle((size // 2, top + 2, size // 2 + bar, top + line - 2), fill=(*_BAR, 200))
        text = _shorten(f"{score:.2f}  {label}", panel_width - 2 * size, size)
        draw.text((size, top + line // 2), text, _INK, _font(size), anchor="lm")
    canvas.paste(overlay, (0, 0), overlay)
    return np.asarray(canvas)


def _shorten(text: str, width: int, size: int) -> str:
    while len(text) > 2 and _font(size).getlength(text) > width:
        text = text[:-2] + "…"
    return text


def draw_confusion(confusion: NDArray[np.integer], class_names: Sequence[str]) -> Pixels:
    """A confusion matrix as a picture: truth in rows, answers in columns, shares of the row.

    Args:
        confusion: Counts of shape (classes, classes), truth by prediction.
        class_names: One for each class.

    Returns:
        uint8 RGB; with more than 40 classes without names and numbers.
    """
    classes = len(class_names)
    named = classes <= 40
    cell = 44 if classes <= 16 else 26 if named else max(2, 1000 // classes)
    longest = max(_font(14).getlength(name) for name in class_names) if named else 0
    margin = min(180, max(110, round(longest) + 24)) if named else 30
    shares = confusion / np.maximum(1, confusion.sum(1, keepdims=True))
    side = margin + cell * classes + 20
    canvas = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(canvas)
    for i in range(classes):
        for j in range(classes):
            share = float(shares[i, j])
            colour = tuple(round(255 + (c - 255) * share) for c in _BAR)
            x, y = margin + j * cell, margin + i * cell
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=colour)
            if named and confusion[i, j]:
                ink = "white" if share > 0.5 else "black"
                middle = (x + cell / 2, y + cell / 2)
                draw.text(middle, str(confusion[i, j]), ink, _font(cell // 3), anchor="mm")
    if named:
        for i, name in enumerate(class_names):
            text = _shorten(name, margin - 24, 14)
            draw.text((margin - 8, margin + (i + 0.5) * cell), text, "black", _font(14), "rm")
        turned = Image.new("RGB", (side, margin), "white").rotate(90, expand=True)
        pen = ImageDraw.Draw(turned)
        for j, name in enumerate(class_names):
            text = _shorten(name, margin - 24, 14)
            pen.text((8, side - margin - (j + 0.5) * cell), text, "black", _font(14), "lm")
        canvas.paste(turned.rotate(-90, expand=True).crop((0, 0, side, margin)), (0, 0))
    draw.text((8, 8), "truth by row", "black", _font(14))
    return np.asarray(canvas)


def grid(images: Sequence[Pixels], captions: Sequence[str], columns: int, cell: int) -> Pixels:
    """Pictures in a table, each letterboxed into a square with a line of text below.

    Args:
        images: uint8 RGB, of any sizes.
        captions: One for each; one that begins with `!` is drawn red, without the mark.
        columns: Pictures a row.
        cell: Side of a square in pixels.
    """
    text_height = max(16, cell // 7)
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * cell, rows * (cell + text_height)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * cell, i // columns * (cell + text_height)
        scale = (cell - 4) / max(image.shape[:2])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        way = Image.Resampling.NEAREST if scale > 3 else Image.Resampling.LANCZOS
        picture = Image.fromarray(image).resize(size, way)
        canvas.paste(picture, (x + (cell - size[0]) // 2, y + (cell - size[1]) // 2))
        ink = "#c22" if caption.startswith("!") else "black"
        text = _shorten(caption.removeprefix("!"), cell - 4, round(text_height * 0.7))
        middle = (x + cell / 2, y + cell + text_height / 2 - 2)
        draw.text(middle, text, ink, _font(round(text_height * 0.7)), anchor="mm")
    return np.asarray(canvas)


def write_image(path: Path, image: Pixels) -> None:
    """Write a picture; the file's ending names the format.

    Args:
        path: Where to; its folder is made.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=92)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: cannot be written ({error})") from None


def to_bgr(image: Pixels) -> Pixels:
    """From RGB to OpenCV's order of channels."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
