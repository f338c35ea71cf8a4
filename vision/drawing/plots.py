"""Curves and confusion matrices as images, drawn with Pillow."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visus.vision.colours import BAR, class_colour
from visus.vision.drawing.text import font, shorten
from visus.vision.images import Pixels

_LEFT, _TOP, _SIDE, _BOTTOM = 56, 16, 480, 44
_MAX_LEGEND = 24


def draw_curves(
    x: NDArray[np.floating],
    curves: Mapping[str, NDArray[np.floating]],
    x_name: str,
    y_name: str,
) -> Pixels:
    """Plot curves with both axes from 0 to 1, and a legend of the first 24.

    Args:
        x: Shape (points,), 0 to 1.
        curves: Curves by name, each of shape (points,), 0 to 1; NaN points are left out.
        x_name: Label of the x axis.
        y_name: Label of the y axis.

    Returns:
        uint8 RGB.
    """
    # Each name is right of a short line; the y axis' label is above the names.
    longest = max(font(14).getlength(text) for text in ("    " + y_name, *curves))
    size = (_LEFT + _SIDE + 44 + min(round(longest), 260), _TOP + _SIDE + _BOTTOM)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for step in range(11):
        value = step / 10
        across, down = _LEFT + value * _SIDE, _TOP + (1 - value) * _SIDE
        draw.line((across, _TOP, across, _TOP + _SIDE), "#e4e4e4")
        draw.line((_LEFT, down, _LEFT + _SIDE, down), "#e4e4e4")
        draw.text((across, _TOP + _SIDE + 6), f"{value:.1f}", "black", font(12), anchor="mt")
        draw.text((_LEFT - 6, down), f"{value:.1f}", "black", font(12), anchor="rm")
    draw.text((_LEFT + _SIDE / 2, _TOP + _SIDE + 26), x_name, "black", font(14), anchor="mt")
    for i, (name, values) in enumerate(curves.items()):
        colour = class_colour(i)
        points = [
            (_LEFT + float(a) * _SIDE, _TOP + (1 - float(b)) * _SIDE)
            for a, b in zip(x, values, strict=True)
            if np.isfinite(b)
        ]
        draw.line(points, colour, 2)
        if i < _MAX_LEGEND:
            row = _TOP + 24 + 18 * i
            left = _LEFT + _SIDE + 12
            draw.line((left, row, left + 16, row), colour, 3)
            draw.text((left + 22, row), name, "black", font(14), anchor="lm")
    draw.text((_LEFT + _SIDE + 12, _TOP), y_name, "black", font(14), anchor="lt")
    return np.asarray(canvas)


def draw_confusion(
    confusion: NDArray[np.integer], class_names: Sequence[str], percentages: bool = False
) -> Pixels:
    """A confusion matrix as an image: truth by row, prediction by column.

    Each cell is coloured by its fraction of the row.

    Args:
        confusion: Counts of shape (classes, classes), truth by prediction.
        class_names: One name for each class.
        percentages: Write percentages of the row, which suits pixels, instead of counts.

    Returns:
        uint8 RGB; with more than 40 classes without names and values.
    """
    classes = len(class_names)
    named = classes <= 40
    cell = 44 if classes <= 16 else 26 if named else max(2, 1000 // classes)
    longest = max(font(14).getlength(name) for name in class_names) if named else 0
    margin = min(180, max(110, round(longest) + 24)) if named else 30
    fractions = confusion / np.maximum(1, confusion.sum(1, keepdims=True))
    side = margin + cell * classes + 20
    canvas = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(canvas)
    for i in range(classes):
        for j in range(classes):
            fraction = float(fractions[i, j])
            colour = tuple(round(255 + (c - 255) * fraction) for c in BAR)
            x, y = margin + j * cell, margin + i * cell
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=colour)
            text = f"{fraction:.0%}" if percentages else str(confusion[i, j])
            if named and text not in ("0", "0%"):
                ink = "white" if fraction > 0.5 else "black"
                centre = (x + cell / 2, y + cell / 2)
                draw.text(centre, text, ink, font(cell // 3), anchor="mm")
    if named:
        for i, name in enumerate(class_names):
            text = shorten(name, margin - 24, 14)
            draw.text((margin - 8, margin + (i + 0.5) * cell), text, "black", font(14), "rm")
        turned = Image.new("RGB", (side, margin), "white").rotate(90, expand=True)
        pen = ImageDraw.Draw(turned)
        for j, name in enumerate(class_names):
            text = shorten(name, margin - 24, 14)
            pen.text((8, side - margin - (j + 0.5) * cell), text, "black", font(14), "lm")
        canvas.paste(turned.rotate(-90, expand=True).crop((0, 0, side, margin)), (0, 0))
    draw.text((8, 8), "truth by row", "black", font(14))
    return np.asarray(canvas)
