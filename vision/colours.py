"""Colours that tell classes apart."""

import colorsys

Colour = tuple[int, int, int]
"""(red, green, blue), each from 0 to 255."""


def class_colour(number: int) -> Colour:
    """A colour for a class or a track; neighbours in number differ clearly."""
    # Turns by the golden angle never come close to where they were.
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034 + 0.08) % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


BAR: Colour = (64, 132, 244)
"""The colour of bars and shares."""
