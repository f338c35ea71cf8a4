"""Read a detection data set of any format, and check every image and every box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

from visus.datamodules.core.formats import coco, voc, yolo
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.labels import LabelledImage, LabelledObject
from visus.datamodules.core.problems import Problem
from visus.vision.errors import VisusError
from visus.vision.images import ImageInfo

Format = Literal["coco", "voc", "yolo"]
FORMATS: dict[str, ModuleType] = {"coco": coco, "voc": voc, "yolo": yolo}

Exif = Literal["auto", "apply", "ignore"]
"""What EXIF orientation means to the labels: `apply`, they were made on the upright image;
`ignore`, on the pixels as stored; `auto`, find out, and stop where that is not possible."""

_SLACK = 2.0
"""Boxes may overhang by so many pixels: labelling tools round."""


@dataclass(frozen=True)
class DetectionListing:
    """All labelled images of a data set, good ones only, and all that is wrong with it.

    Attributes:
        format: What the labels were read as.
        images: The images that can be read, in a fixed order, their boxes in pixels and clipped
            to them.
        class_names: In the order of their ids.
        problems: What is wrong; the objects and images of errors are left out.
        left_out: How many objects and images that is.
    """

    format: str
    images: tuple[LabelledImage, ...]
    class_names: tuple[str, ...]
    problems: tuple[Problem, ...]
    left_out: int


def recognise(root: Path) -> str | None:
    """The format of a data set; None where it is none of ours.

    Raises:
        VisusError: If it could be several.
    """
    found = [name for name, module in FORMATS.items() if module.find(root)]
    if len(found) > 1:
        raise VisusError(
            f"data.root {str(root)!r}: could be {' or '.join(found)}; say which with --data.format"
        )
    return found[0] if found else None


def read_detection(
    root: Path,
    format: Format | None = None,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
) -> DetectionListing:
    """Read a data set, and decode every image once.

    Args:
        root: Its folder; or a COCO JSON file, or a YOLO YAML file.
        format: What it is; None to find out.
        class_names: The classes to expect, in order, as a checkpoint states them. None to take
            them from the data.
        exif: What EXIF orientation means to the labels.

    Raises:
        VisusError: If there is nothing to read at that place, or it could be several formats.
    """
    for key, value, known in (("format", format, (*FORMATS, None)), ("exif", exif, get_args(Exif))):
        if value not in known:
            told = ", ".join(str(name) for name in known if name)
            raise VisusError(f"data.{key} {value!r} is unknown; choose from {told}")
    if not root.exists():
        raise VisusError(f"data.root {str(root)!r}: there is no such folder; check the path")
    name = format or recognise(root)
    if name is None:
        raise VisusError(
            f"data.root {str(root)!r}: holds no detection labels; expected COCO (annotations/*.json"
            "), Pascal VOC (Annotations/*.xml) or YOLO (images/, labels/ and data.yaml)"
        )
    labels = FORMATS[name].read(root)
    problems: list[Problem] = list(labels.problems)
    names = tuple(class_names or labels.class_names)
    left_out = sum(problem.severity == "error" for problem in problems)
    images = []
    checks = inspect_images([image.path for image in labels.images])
    for image, check in zip(labels.images, checks, strict=True):
        problems += check.problems(image.place)
        info = check.info
        if info is None:
            left_out += 1
            continue
        upright, oriented = _orientation(image, info, exif)
        problems += oriented
        size = (info.height, info.width) if upright else info.stored
        checked = replace(image, content=check.content, size=size, upright=upright)
        objects, wrong = _check_objects(checked, names)
        problems += wrong
        left_out += sum(problem.severity == "error" for problem in wrong)
        images.append(replace(checked, objects=tuple(objects), relative=False))
    kept, doubled = check_copies(images)
    problems += doubled
    left_out += len(images) - len(kept)
    if not any(image.objects for image in kept):
        place = str(root)
        problems.append(Problem(place, "holds no usable object in any readable image", "fatal"))
    return DetectionListing(name, tuple(kept), names, tuple(problems), left_out)


def _orientation(image: LabelledImage, info: ImageInfo, exif: Exif) -> tuple[bool, list[Problem]]:
    """Whether to read the image upright, and what is wrong with the size that its labels state.

    Some labelling tools show images as they are stored, whatever their EXIF orientation says,
    so that the boxes of an oriented image may belong to either way of reading it.
    """
    shown, declared = (info.height, info.width), image.declared
    upright = exif != "ignore"
    place, oriented = image.place, info.orientation != 1
    if oriented and image.objects and exif == "auto":
        told = f"the image has EXIF orientation {info.orientation}"
        remedy = "look with visus data check --draw DIR, then give --data.exif apply or ignore"
        if declared is None or shown == info.stored:
            why = "and nothing tells whether its labels were made on the upright image"
            return upright, [Problem(place, f"{told}, {why}; {remedy}", "fatal")]
        if declared == info.stored:
            why = f"and its labels state the size as stored, {_told(declared)}"
            return upright, [Problem(place, f"{told}, {why}; {remedy}", "fatal")]
    allowed = {shown, info.stored} if oriented and exif != "auto" else {shown}
    if declared is None or declared in allowed:
        return upright, []
    swapped = " (width and height swapped)" if declared[::-1] in allowed else ""
    message = f"its labels state {_told(declared)}, the image is {_told(shown)}{swapped}"
    return upright, [Problem(place, f"{message}; mend the labels or the image", "fatal")]


def _told(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def _check_objects(
    image: LabelledImage, class_names: Sequence[str]
) -> tuple[list[LabelledObject], list[Problem]]:
    """The usable objects, in pixels and clipped, and what is wrong with the others."""
    height, width = image.size
    good: list[LabelledObject] = []
    problems = []
    seen: dict[tuple[float, ...], str] = {}
    for item in image.objects:
        if image.relative:
            item = _in_pixels(item, height, width)
        x1, y1, x2, y2 = item.box
        told = f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g})"
        overhang = max(-x1, -y1, x2 - width, y2 - height)
        message = ""
        if item.label not in class_names:
            message = f"unknown class {item.label!r}; known are {', '.join(class_names)}"
        elif x2 < x1 or y2 < y1:
            message = f"{told} is inverted: its far corner comes first"
        elif x2 - x1 < 1 or y2 - y1 < 1:
            message = f"{told} is degenerate: not a pixel wide or high"
        elif x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            message = f"{told} is outside of the image of {_told(image.size)}"
        elif overhang > _SLACK:
            message = f"{told} reaches {overhang:g} px outside of the image of {width} x {height}"
        elif item.box in seen and seen[item.box] == item.label:
            message = f"{told} of {item.label!r} is a duplicate"
        elif item.runs and sum(item.runs) != height * width:
            message = f"its run lengths fill another size than {_told(image.size)}"
        if message:
            problems.append(Problem(item.place, message, "error"))
            continue
        if overhang > 0:
            note = f"{told} reaches {overhang:g} px outside, clipped"
            problems.append(Problem(item.place, note, "warning"))
        if item.box in seen:
            note = f"{told} is {item.label!r} here and {seen[item.box]!r} before; both are kept"
            problems.append(Problem(item.place, note, "warning"))
        seen[item.box] = item.label
        box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
        good.append(replace(item, box=box))
    return good, problems


def _in_pixels(item: LabelledObject, height: int, width: int) -> LabelledObject:
    """The object of relative coordinates in pixels."""
    x1, y1, x2, y2 = item.box
    outlines = tuple(
        tuple(value * (height if i % 2 else width) for i, value in enumerate(ring))
        for ring in item.polygons
    )
    # Shares are written with some six digits: without rounding, edges would overhang by dust.
    values = (x1 * width, y1 * height, x2 * width, y2 * height)
    box = tuple(round(value, 3) for value in values)
    return replace(item, box=(box[0], box[1], box[2], box[3]), polygons=outlines)
