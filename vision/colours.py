"""Distinct colours for classes and tracks."""

import colorsys
from functools import lru_cache

Colour = tuple[int, int, int]
"""(red, green, blue), each from 0 to 255."""

_LEAST_BRIGHTNESS = 0.45


@lru_cache(maxsize=1024)
def class_colour(index: int) -> Colour:
    """A colour for a class id or a track id; consecutive ids get clearly different colours.

    All are bright, so that dark outlines and dark text stand out from them.
    """
    # Multiples of the golden angle spread evenly over the hues.
    colour = colorsys.hsv_to_rgb((index * 0.618034 + 0.08) % 1, 0.75, 0.95)
    red, green, blue = colour
    # Blue and violet are much darker to the eye than other hues of the same value.
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    white = max(0.0, (_LEAST_BRIGHTNESS - brightness) / (1 - brightness))
    red, green, blue = (part + (1 - part) * white for part in colour)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever contrasts more with a background."""
    red, green, blue = ((part / 255) ** 2.2 for part in colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # At this luminance both have the same ratio of contrast, as WCAG defines it.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


BAR: Colour = (64, 132, 244)
"""The colour of bars."""

CASING: Colour = (16, 16, 20)
"""The dark edge of coloured lines, with which they stand out from backgrounds of their colour."""
