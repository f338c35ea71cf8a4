"""Curves as pictures, by Pillow: no plotting library for a handful of lines."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from apps.drawing import font
from vision.colours import class_colour
from vision.images import Pixels

_LEFT, _TOP, _SIDE, _BOTTOM = 56, 16, 480, 44
_MOST_NAMED = 24


def draw_curves(
    x: NDArray[np.floating],
    curves: Mapping[str, NDArray[np.floating]],
    x_name: str,
    y_name: str,
) -> Pixels:
    """Lines over a square from 0 to 1 both ways, with a legend for the first two dozen.

    Args:
        x: Shape (points,), 0 to 1.
        curves: By name, each of shape (points,), 0 to 1; undefined points are left out.
        x_name: What x is.
        y_name: What the curves are.

    Returns:
        uint8 RGB.
    """
    # Names stand right of a short line, the axis' name above them.
    longest = max(font(14).getlength(text) for text in ("    " + y_name, *curves))
    size = (_LEFT + _SIDE + 44 + min(round(longest), 260), _TOP + _SIDE + _BOTTOM)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for step in range(11):
        share = step / 10
        across, down = _LEFT + share * _SIDE, _TOP + (1 - share) * _SIDE
        draw.line((across, _TOP, across, _TOP + _SIDE), "#e4e4e4")
        draw.line((_LEFT, down, _LEFT + _SIDE, down), "#e4e4e4")
        draw.text((across, _TOP + _SIDE + 6), f"{share:.1f}", "black", font(12), anchor="mt")
        draw.text((_LEFT - 6, down), f"{share:.1f}", "black", font(12), anchor="rm")
    middle = _LEFT + _SIDE / 2
    draw.text((middle, _TOP + _SIDE + 26), x_name, "black", font(14), anchor="mt")
    for i, (name, values) in enumerate(curves.items()):
        colour = class_colour(i)
        points = [
            (_LEFT + float(a) * _SIDE, _TOP + (1 - float(b)) * _SIDE)
            for a, b in zip(x, values, strict=True)
            if np.isfinite(b)
        ]
        draw.line(points, colour, 2)
        if i < _MOST_NAMED:
            row = _TOP + 24 + 18 * i
            left = _LEFT + _SIDE + 12
            draw.line((left, row, left + 16, row), colour, 3)
            draw.text((left + 22, row), name, "black", font(14), anchor="lm")
    draw.text((_LEFT + _SIDE + 12, _TOP), y_name, "black", font(14), anchor="lt")
    return np.asarray(canvas)
