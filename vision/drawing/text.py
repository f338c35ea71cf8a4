"""Text rendered with Pillow, which has more than ASCII; rendered text is cached."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visus.vision.colours import CASING, Colour, ink_on
from visus.vision.images import Pixels


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of that size in pixels: DejaVu Sans, or Pillow's own, which has no umlauts."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return ImageFont.load_default(size)
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=1024)
def shorten(text: str, width: int, size: int) -> str:
    """The text, cut off with an ellipsis to fit that width in pixels at that font size."""
    while len(text) > 2 and font(size).getlength(text) > width:
        text = text[:-2] + "…"
    return text


def wrap(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines of at most that width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _edge_width(size: int) -> int:
    return max(1, size // 20)


def tag_height(size: int) -> int:
    """Height of `text_tag` in pixels."""
    return round(size * 1.4)


@lru_cache(maxsize=1024)
def text_tag(text: str, size: int, colour: Colour) -> Pixels:
    """A line of text on a coloured background with a dark edge.

    It is cached, as Pillow's text is slow for live images.
    """
    pad, height = round(size * 0.3), tag_height(size)
    canvas = Image.new("RGB", (round(font(size).getlength(text)) + 2 * pad, height), colour)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, canvas.width - 1, height - 1), outline=CASING, width=_edge_width(size))
    draw.text((pad, height // 2), text, ink_on(colour), font(size), anchor="lm")
    return np.asarray(canvas)


@lru_cache(maxsize=512)
def scored_tag(text: str, score: str, size: int, colour: Colour) -> Pixels:
    """A label with its score behind it, from two tags: as texts they would be too many to cache."""
    edge = _edge_width(size)
    parts = text_tag(text, size, colour)[:, :-edge], text_tag(score, size, colour)[:, edge:]
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1024)
def white_text(text: str, size: int, height: int, width: int) -> Pixels:
    """White text on black of shape (height, at most width, 3); cached, as `text_tag`."""
    text = shorten(text, width, size)
    canvas = Image.new("RGB", (max(0, min(width, round(font(size).getlength(text)))), height))
    ImageDraw.Draw(canvas).text((0, height // 2), text, "white", font(size), anchor="lm")
    return np.asarray(canvas)
