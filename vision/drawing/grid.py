"""Images in a grid with captions, and conversion to the channel order of OpenCV."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from visus.vision.drawing.text import font, shorten
from visus.vision.images import Pixels


def grid(
    images: Sequence[Pixels],
    captions: Sequence[str],
    columns: int,
    cell: int,
    height: int | None = None,
) -> Pixels:
    """A grid of images, each letterboxed into a cell with a line of text below.

    Args:
        images: uint8 RGB, of any sizes.
        captions: One for each image; a caption with a leading `!` is drawn in red without it.
        columns: Images per row.
        cell: Width of a cell in pixels.
        height: Height of a cell in pixels; equal to its width by default.
    """
    text_height = min(32, max(16, cell // 7))
    height = height or cell
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * cell, rows * (height + text_height)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * cell, i // columns * (height + text_height)
        scale = min((height - 4) / image.shape[0], (cell - 4) / image.shape[1])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        method = Image.Resampling.NEAREST if scale > 3 else Image.Resampling.LANCZOS
        resized = Image.fromarray(image).resize(size, method)
        canvas.paste(resized, (x + (cell - size[0]) // 2, y + (height - size[1]) // 2))
        ink = "#c22" if caption.startswith("!") else "black"
        text = shorten(caption.removeprefix("!"), cell - 4, round(text_height * 0.7))
        centre = (x + cell / 2, y + height + text_height / 2 - 2)
        draw.text(centre, text, ink, font(round(text_height * 0.7)), anchor="mm")
    return np.asarray(canvas)


def to_bgr(image: Pixels) -> Pixels:
    """Convert RGB to BGR, OpenCV's order of channels."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
