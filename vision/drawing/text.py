"""Text for images, by Pillow, which knows more than ASCII; what is drawn again is kept."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visus.vision.colours import Colour
from visus.vision.images import Pixels


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A typeface of that height in pixels: DejaVu Sans, or Pillow's own, which has no umlauts."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        return ImageFont.load_default(size)
    place = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(place, size)


def shorten(text: str, width: int, size: int) -> str:
    """The text, or what of it is at most that many pixels wide in a typeface of that height."""
    while len(text) > 2 and font(size).getlength(text) > width:
        text = text[:-2] + "…"
    return text


def wrap(text: str, width: int, size: int) -> list[str]:
    """A text in lines of at most that width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


@lru_cache(maxsize=512)
def tag_of(text: str, size: int, colour: Colour) -> Pixels:
    """A line of text on its colour; drawn once, as Pillow's text is slow for a live image."""
    canvas = Image.new("RGB", (round(font(size).getlength(text)) + 8, size + 6), colour)
    ink = "black" if sum(colour) > 380 else "white"
    ImageDraw.Draw(canvas).text((4, (size + 6) // 2), text, ink, font(size), anchor="lm")
    return np.asarray(canvas)


@lru_cache(maxsize=1024)
def white_text(text: str, size: int, height: int, width: int) -> Pixels:
    """White text on black, (height, at most width, 3); drawn once, as `tag_of`."""
    text = shorten(text, width, size)
    canvas = Image.new("RGB", (max(0, min(width, round(font(size).getlength(text)))), height))
    ImageDraw.Draw(canvas).text((0, height // 2), text, "white", font(size), anchor="lm")
    return np.asarray(canvas)
