"""Check the labelled objects of an image: classes, boxes, and that masks lie where boxes do."""

from collections.abc import Sequence
from dataclasses import replace

from visus.datamodules.core.labels import Box, LabelledImage, LabelledObject
from visus.datamodules.core.problems import Problem, shown

_SLACK = 2.0
"""Objects may exceed the image by so many pixels, as labelling tools round."""

_LEAST_IOU = 0.5
"""Of an object's box and the bounds of its mask; below, one of the two is probably wrong."""


def check_objects(
    image: LabelledImage, class_names: Sequence[str]
) -> tuple[list[LabelledObject], list[Problem]]:
    """Check all objects of an image.

    Args:
        image: The image, with its size.
        class_names: All classes.

    Returns:
        The usable objects, in pixels and clipped to the image, and the problems of all.
    """
    height, width = image.size
    usable: list[LabelledObject] = []
    problems = []
    seen: dict[Box, str] = {}
    for item in image.objects:
        if image.relative:
            item = _in_pixels(item, height, width)
        bounds = mask_bounds(item)
        message = _box_error(item, image.size, class_names) or _mask_error(item, bounds, image.size)
        if not message and seen.get(item.box) == item.label:
            message = f"{_box_text(item.box)} of {shown(item.label)} is a duplicate"
        if message:
            problems.append(Problem(item.place, message, "error"))
            continue
        notes = _notes(item, bounds, seen.get(item.box), image.size)
        problems += [Problem(item.place, note, "warning") for note in notes]
        seen[item.box] = item.label
        usable.append(_clipped(item, width, height))
    return usable, problems


def mask_bounds(item: LabelledObject) -> Box | None:
    """The bounding box of an object's polygons or run lengths; None if it has neither.

    Run lengths without a pixel have the box (0, 0, 0, 0).
    """
    if item.polygons:
        xs = [x for ring in item.polygons for x in ring[::2]]
        ys = [y for ring in item.polygons for y in ring[1::2]]
        return min(xs), min(ys), max(xs), max(ys)
    if not item.runs or not item.runs_size[0]:
        return None
    height, start = item.runs_size[0], 0
    x1, y1, x2, y2 = item.runs_size[1], height, 0, 0
    for i, run in enumerate(item.runs):
        if i % 2 and run:
            (first, top), (last, bottom) = divmod(start, height), divmod(start + run - 1, height)
            # A run that reaches into the next column fills the edges of both.
            top, bottom = (top, bottom) if first == last else (0, height - 1)
            x1, x2 = min(x1, first), max(x2, last + 1)
            y1, y2 = min(y1, top), max(y2, bottom + 1)
        start += run
    return (x1, y1, x2, y2) if x2 else (0, 0, 0, 0)


def _box_error(item: LabelledObject, size: tuple[int, int], class_names: Sequence[str]) -> str:
    """What makes an object unusable, apart from its mask; empty for nothing."""
    height, width = size
    x1, y1, x2, y2 = item.box
    excess = _excess(item.box, size)
    if item.label not in class_names:
        known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
        return f"unknown class {shown(item.label)}; known are {known}"
    if x2 < x1 or y2 < y1:
        return f"{_box_text(item.box)} is inverted: its far corner comes first"
    if x2 - x1 < 1 or y2 - y1 < 1:
        return f"{_box_text(item.box)} is degenerate: less than a pixel wide or high"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return f"{_box_text(item.box)} is outside the image of {width} x {height}"
    if excess > _SLACK:
        return (
            f"{_box_text(item.box)} reaches {excess:g} px outside the image of {width} x {height}; "
            "clip it, or label the image of this size"
        )
    return ""


def _mask_error(item: LabelledObject, bounds: Box | None, size: tuple[int, int]) -> str:
    """What makes the mask of an object unusable; empty for nothing."""
    height, width = size
    if item.runs and item.runs_size not in (size, (0, 0)):
        stated = f"{item.runs_size[1]} x {item.runs_size[0]}"
        return f"its run lengths fill a mask of {stated}, the image is {width} x {height}"
    if item.runs and sum(item.runs) != height * width:
        return f"its run lengths do not fill the image of {width} x {height}"
    if bounds is None:
        return ""
    excess = _excess(bounds, size)
    if item.polygons and excess > _SLACK:
        return f"its outline reaches {excess:g} px outside the image of {width} x {height}"
    if _iou(bounds, item.box) == 0:
        return f"{_box_text(item.box)} and the {_box_text(bounds)} of its mask do not overlap"
    return ""


def _notes(
    item: LabelledObject, bounds: Box | None, other: str | None, size: tuple[int, int]
) -> list[str]:
    """What is noteworthy about a usable object; `other` is the class of an equal box before it."""
    notes = []
    excess = _excess(item.box, size)
    if excess > 0:
        notes.append(f"{_box_text(item.box)} reaches {excess:g} px outside the image, clipped")
    if other is not None:
        notes.append(
            f"{_box_text(item.box)} is {shown(item.label)} here and {shown(other)} before; "
            "both are used"
        )
    if bounds is not None and _iou(bounds, item.box) < _LEAST_IOU:
        notes.append(f"{_box_text(item.box)} differs from the {_box_text(bounds)} of its mask")
    width, height = item.box[2] - item.box[0], item.box[3] - item.box[1]
    # Boxes around whole pixels have a pixel more in each direction than some tools count.
    if item.area is not None and item.area > (width + 1) * (height + 1):
        notes.append(
            f"its area {item.area:g} is larger than that of its {_box_text(item.box)}; it decides "
            "whether the object counts as small or large"
        )
    return notes


def _excess(box: Box, size: tuple[int, int]) -> float:
    """How many pixels a box reaches beyond the image; negative within it."""
    x1, y1, x2, y2 = box
    return max(-x1, -y1, x2 - size[1], y2 - size[0])


def _iou(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (first, second))
    return width * height / (areas - width * height)


def _box_text(box: Box) -> str:
    return f"box ({', '.join(f'{value:g}' for value in box)})"


def _clipped(item: LabelledObject, width: int, height: int) -> LabelledObject:
    x1, y1, x2, y2 = item.box
    box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
    return replace(item, box=box)


def _in_pixels(item: LabelledObject, height: int, width: int) -> LabelledObject:
    """An object with relative coordinates, converted to pixels."""
    x1, y1, x2, y2 = item.box
    outlines = tuple(
        tuple(value * (height if i % 2 else width) for i, value in enumerate(ring))
        for ring in item.polygons
    )
    # Fractions are written with some six digits: unrounded, boxes would exceed the image slightly.
    values = (x1 * width, y1 * height, x2 * width, y2 * height)
    box = tuple(round(value, 3) for value in values)
    return replace(item, box=(box[0], box[1], box[2], box[3]), polygons=outlines)
