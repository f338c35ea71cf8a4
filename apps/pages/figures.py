"""Figures of pages: plots as inline SVG in the page's colours, images as data addresses."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.vision.images import Pixels

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

_INK = "#010203"
"""Stands for the page's text colour, which differs between light and dark."""

BLUE, ORANGE, GREEN, RED = "#4c86e8", "#e8843c", "#3fa66b", "#d9534f"
"""Colours of curves that are legible on a light and a dark page."""


class Plot:
    """A figure that is drawn inside `plot`.

    Attributes:
        figure: Matplotlib's figure.
        svg: The figure as inline SVG, once the context has ended.
    """

    figure: "Figure"
    svg: "Markup"


@contextmanager
def plot(label: str, width: float, height: float) -> Iterator[Plot]:
    """A context in which a figure is drawn.

    Args:
        label: Description of the figure for screen readers.
        width: In inches of 72 CSS pixels.
        height: In inches of 72 CSS pixels.
    """
    # Imported late: it takes a second.
    import matplotlib
    from markupsafe import Markup, escape
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    settings: Any = dict.fromkeys(inks, _INK) | {
        "svg.fonttype": "none",
        "svg.hashsalt": label,
        "font.size": 9,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.labelcolor": _INK,
        "grid.color": "#88888844",
    }
    with matplotlib.rc_context(settings):
        drawn = Plot()
        drawn.figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        yield drawn
        file = io.StringIO()
        drawn.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    svg = text[text.index("<svg") :].replace(_INK, "currentColor")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    drawn.svg = Markup(svg)


def data_uri(image: Pixels, lossless: bool = False) -> str:
    """An image as a data address.

    Args:
        image: uint8 RGB of shape (height, width, 3), or grey of shape (height, width).
        lossless: Whether every pixel is kept.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="WEBP", lossless=lossless, quality=85, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def coloured(levels: NDArray[np.uint8]) -> Pixels:
    """A map of values as RGB from dark blue (0) to yellow (255)."""
    colours = cv2.applyColorMap(np.ascontiguousarray(levels), cv2.COLORMAP_VIRIDIS)
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2RGB), np.uint8)


def overlaid(image: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """A heat map of values 0 to 1 over an image of the same height and width."""
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    rgb = np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2RGB), np.uint8)
    return np.asarray(cv2.addWeighted(image, 0.45, rgb, 0.55, 0), np.uint8)


def strip(maps: NDArray[np.uint8], side: int) -> Pixels:
    """Feature maps side by side as one image, four in a row, each coloured and enlarged.

    Args:
        maps: Shape (channels, height, width).
        side: Length in pixels of the longer side of each.
    """
    _, height, width = maps.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    resized = (cv2.resize(each, size, interpolation=method) for each in maps)
    cells = [coloured(np.asarray(each, np.uint8)) for each in resized]
    rows = -(-len(cells) // 4)
    columns = min(4, len(cells))
    canvas = np.full((rows * (size[1] + 2), columns * (size[0] + 2), 3), 127, np.uint8)
    for i, cell in enumerate(cells):
        top, left = i // 4 * (size[1] + 2) + 1, i % 4 * (size[0] + 2) + 1
        canvas[top : top + size[1], left : left + size[0]] = cell
    return canvas
