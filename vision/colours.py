"""Distinct colours for classes and tracks."""

import colorsys

Colour = tuple[int, int, int]
"""(red, green, blue), each from 0 to 255."""


def class_colour(index: int) -> Colour:
    """A colour for a class id or a track id; consecutive ids get clearly different colours."""
    # Multiples of the golden angle spread evenly over the hues.
    red, green, blue = colorsys.hsv_to_rgb((index * 0.618034 + 0.08) % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


BAR: Colour = (64, 132, 244)
"""The colour of bars."""
