"""Read the segmentation of an object in COCO JSON: polygons, or run lengths of either form."""

from dataclasses import dataclass
from typing import Any

from visus.datamodules.core.labels import is_number

_MOST_PIXELS = 2**28


@dataclass(frozen=True)
class Segmentation:
    """The mask of an object, empty if it has none.

    Attributes:
        polygons: Outlines, each (x, y, x, y, ...), in pixels.
        runs: Run lengths, column by column, starting with absent pixels.
        size: (height, width) of the mask that the run lengths fill; (0, 0) without them.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)


def read_segmentation(value: Any) -> Segmentation | str:
    """The mask that a value of the key `segmentation` states, or what is wrong with it."""
    if value in (None, [], [[]]):
        return Segmentation()
    if isinstance(value, list) and all(map(is_number, value)):
        value = [value]
    if isinstance(value, list) and all(isinstance(ring, list) for ring in value):
        # Tools that clip outlines leave points and lines of some parts.
        value = [ring for ring in value if len(ring) >= 6] or value
        if all(len(r) >= 6 and len(r) % 2 == 0 and all(map(is_number, r)) for r in value):
            return Segmentation(tuple(tuple(map(float, ring)) for ring in value))
    elif isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size):
            pixels = size[0] * size[1]
            if isinstance(counts, str) and 0 < pixels < _MOST_PIXELS:
                counts = _decode_counts(counts)
            if isinstance(counts, list) and all(type(c) is int and c >= 0 for c in counts):
                if min(size) > 0 and sum(counts) == pixels:
                    return Segmentation((), tuple(counts), (size[0], size[1]))
    return "its segmentation is neither polygons nor run lengths that fill its size"


def _decode_counts(text: str) -> list[int] | None:
    """Run lengths from COCO's compressed form; None if the text is damaged.

    Each character holds five bits of a number and whether another follows; from the fourth on,
    a number is the difference to the last but one. pycocotools reads out of bounds where the
    text is damaged.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts if shift == 0 else None
