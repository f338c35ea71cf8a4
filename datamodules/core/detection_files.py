"""Read detection labels of any format, and check every image and every box."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

from visus.datamodules.core.formats import coco, voc, yolo
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.labels import LabelledImage, Labels
from visus.datamodules.core.object_checks import check_objects
from visus.datamodules.core.pairing import simple_name
from visus.datamodules.core.problems import Problem, has_errors, shown
from visus.vision.errors import VisusError
from visus.vision.images import ImageInfo

Format = Literal["coco", "voc", "yolo"]
FORMATS: dict[str, ModuleType] = {"coco": coco, "voc": voc, "yolo": yolo}

Exif = Literal["auto", "apply", "ignore"]
"""Which image the labels refer to: `apply`, with its EXIF orientation applied; `ignore`, as stored;
`auto`, determined from the size that the labels state, with an error if that is ambiguous."""


@dataclass(frozen=True)
class DetectionListing:
    """The checked images of a data set, and its problems.

    Attributes:
        format: Name of the format, such as `coco`.
        samples: The usable images, in a fixed order, with boxes in pixels, clipped to the image.
        class_names: In the order of their ids.
        problems: Problems of the data set; images and objects with errors are left out.
        left_out: Number of images and objects that were left out.
    """

    format: str
    samples: Sequence[LabelledImage]
    class_names: tuple[str, ...]
    problems: tuple[Problem, ...]
    left_out: int


def found_formats(root: Path) -> list[str]:
    """The formats of the labels in a data set."""
    return [name for name, module in FORMATS.items() if module.find(root)]


def recognise(root: Path) -> str | None:
    """The format of a data set; None if it has no detection labels.

    Raises:
        VisusError: If it has labels of several formats.
    """
    names = found_formats(root)
    if len(names) > 1:
        raise VisusError(
            f"data.root {str(root)!r}: holds {' and '.join(names)} labels; choose one with "
            "--data.format (--format of visus data)"
        )
    return names[0] if names else None


def read_detection(
    root: Path,
    format: Format | None = None,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
    allow_outside: bool = False,
    in_channels: int = 3,
) -> DetectionListing:
    """Read the labels of a data set and check every image.

    Args:
        root: See `read_labels`.
        format: See `read_labels`.
        class_names: See `check_labels`.
        exif: See `check_labels`.
        allow_outside: See `read_labels`.
        in_channels: See `check_labels`.

    Raises:
        VisusError: If there is nothing to read at that path, or it has labels of several formats.
    """
    labels = read_labels(root, format, allow_outside)
    return check_labels(labels, root, class_names, exif, in_channels)


def read_labels(root: Path, format: Format | None = None, allow_outside: bool = False) -> Labels:
    """Read the labels of a data set, without opening an image.

    Args:
        root: Its folder; or a COCO JSON file, or a YOLO YAML file.
        format: The format; recognised by default.
        allow_outside: Whether annotations may name files outside of the data set's folder.

    Raises:
        VisusError: If there is nothing to read at that path, or it has labels of several formats.
    """
    if format not in (*FORMATS, None):
        raise VisusError(f"data.format {format!r} is unknown; choose from {', '.join(FORMATS)}")
    if not root.exists():
        raise VisusError(f"data.root {str(root)!r}: there is no such folder; check the path")
    name = format or recognise(root)
    if name is None:
        raise VisusError(
            f"data.root {str(root)!r}: holds no detection labels; expected COCO (annotations/*.json"
            "), Pascal VOC (Annotations/*.xml) or YOLO (images/, labels/ and data.yaml)"
        )
    labels: Labels = FORMATS[name].read(root, allow_outside)
    labels.format = name
    return labels


def check_labels(
    labels: Labels,
    root: Path,
    class_names: Sequence[str] | None = None,
    exif: Exif = "auto",
    in_channels: int = 3,
) -> DetectionListing:
    """Check every image and every box of a data set.

    Args:
        labels: The labels as they are stored.
        root: The data set, for messages.
        class_names: The classes of a checkpoint, in order; those of the labels by default.
        exif: Which image the labels refer to.
        in_channels: Number of channels of the images; 3 are accepted for 1.

    Raises:
        VisusError: If `exif` is unknown.
    """
    if exif not in get_args(Exif):
        raise VisusError(f"data.exif {exif!r} is unknown; choose from {', '.join(get_args(Exif))}")
    problems: list[Problem] = list(labels.problems)
    problems += _check_names(labels.class_names, str(root))
    names = tuple(class_names or labels.class_names)
    left_out = sum(problem.severity == "error" for problem in problems)
    images = []
    checks = inspect_images([image.path for image in labels.images])
    for image, check in zip(labels.images, checks, strict=True):
        found = check.problems(image.place, in_channels)
        problems += found
        info = check.info
        if info is None or has_errors(found):
            left_out += 1
            continue
        upright, orientation_problems = _orientation(image, info, exif)
        problems += orientation_problems
        size = (info.height, info.width) if upright else info.stored
        checked = replace(image, content=check.content, size=size, upright=upright)
        objects, object_problems = check_objects(checked, names)
        problems += object_problems
        left_out += sum(problem.severity == "error" for problem in object_problems)
        images.append(replace(checked, objects=tuple(objects), relative=False))
    unique, duplicates = check_copies(images)
    problems += duplicates
    left_out += len(images) - len(unique)
    problems += _check_use(unique, str(root))
    return DetectionListing(labels.format, tuple(unique), names, tuple(problems), left_out)


def _check_use(images: Sequence[LabelledImage], place: str) -> list[Problem]:
    """Problems with objects that are not trained on."""
    objects = [item for image in images for item in image.objects]
    ignored = Counter(item.label for item in objects if item.ignored)
    used = Counter(item.label for item in objects if not item.ignored)
    remedy = (
        "crowds (iscrowd 1) or difficult, which are not trained on; write 0 where these are single "
        "objects, as CVAT calls each mask of a brush a crowd"
    )
    if not used:
        message = "holds no usable object in any readable image"
        if ignored:
            message = f"all objects ({ignored.total()}) are {remedy}"
        return [Problem(place, message, "fatal")]
    return [
        Problem(
            place,
            f"{count} of {count + used[name]} objects of {shown(name)} are {remedy}",
            "warning",
        )
        for name, count in ignored.items()
        if count > used[name]
    ]


def _orientation(image: LabelledImage, info: ImageInfo, exif: Exif) -> tuple[bool, list[Problem]]:
    """Whether to apply the EXIF orientation, and problems with the size that the labels state.

    Some labelling tools show images as they are stored, whatever their EXIF orientation, so that
    the boxes of such an image may refer to either way of reading it.
    """
    shown, declared = (info.height, info.width), image.declared
    upright = exif != "ignore"
    place, oriented = image.place, info.orientation != 1
    if oriented and image.objects and exif == "auto":
        start = f"the image has EXIF orientation {info.orientation}"
        remedy = "see visus data check --draw DIR, then give --data.exif apply or ignore"
        if declared is None or shown == info.stored:
            reason = "and nothing shows whether its labels refer to the upright image"
            return upright, [Problem(place, f"{start}, {reason}; {remedy}", "fatal")]
        if declared == info.stored:
            reason = f"and its labels state the size as stored, {_format_size(declared)}"
            return upright, [Problem(place, f"{start}, {reason}; {remedy}", "fatal")]
    allowed = {shown, info.stored} if oriented and exif != "auto" else {shown}
    if declared is None or declared in allowed:
        return upright, []
    swapped = " (width and height swapped)" if declared[::-1] in allowed else ""
    message = (
        f"its labels state {_format_size(declared)}, the image is {_format_size(shown)}{swapped}; "
        "correct the labels or the image"
    )
    return upright, [Problem(place, message, "fatal")]


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def _check_names(names: Sequence[str], place: str) -> list[Problem]:
    """Problems of the class names: those that no file could hold, and those that look alike."""
    problems = []
    known: dict[str, str] = {}
    for name in names:
        if not name.strip() or not all(c.isprintable() for c in name):
            message = f"the class name {shown(name)} is empty or not printable; rename it"
            problems.append(Problem(place, message, "fatal"))
        other = known.setdefault(simple_name(" ".join(name.split())), name)
        if other != name:
            message = f"the classes {shown(other)} and {shown(name)} differ in case or spaces only"
            problems.append(Problem(place, message, "warning"))
    return problems
