"""Read a segmentation data set, and check every image against its mask."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from visus.datamodules.core.detection_files import Exif, recognise
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.problems import Problem
from visus.datamodules.segmentation.class_table import (
    MOST_CLASSES,
    ClassTable,
    numbered_classes,
    packed,
    read_class_table,
)
from visus.datamodules.segmentation.mask_pairs import (
    MaskedImage,
    find_csv,
    find_folders,
    find_pairs,
)
from visus.datamodules.segmentation.mask_polygons import read_polygons
from visus.vision.errors import VisusError
from visus.vision.images import ImageError, read_mask
from visus.vision.masks import IGNORE
from visus.vision.progress import track


@dataclass(frozen=True)
class SegmentationListing:
    """All images of a data set with their masks, good ones only, and all that is wrong with it.

    Attributes:
        images: Those that can be used, in a fixed order.
        classes: What the values of masks mean.
        problems: What is wrong; the images of errors are left out.
        left_out: How many images that is.
    """

    images: tuple[MaskedImage, ...]
    classes: ClassTable
    problems: tuple[Problem, ...]
    left_out: int


@dataclass(frozen=True)
class _MaskCheck:
    """What decoding a mask found: its size, the pixels of each value, or why it is useless."""

    size: tuple[int, int] = (0, 0)
    values: Mapping[int, int] | None = None
    error: str = ""


def is_segmentation(root: Path) -> bool:
    """Whether there are images with masks at that place (outlined objects are detection too)."""
    return find_csv(root) is not None or (root.is_dir() and bool(find_folders(root)))


def read_segmentation(
    root: Path,
    class_names: Sequence[str] | None = None,
    ignore: int | str | None = IGNORE,
    exif: Exif = "auto",
    in_channels: int = 3,
) -> SegmentationListing:
    """Read a data set of images and masks, and decode every one of both.

    Args:
        root: See `visus.datamodules.segmentation.mask_pairs.find_pairs`; with a `classes.csv` in the folder, see
            `visus.datamodules.segmentation.class_table.read_class_table`. Or a data set in COCO's form whose objects
            have outlines, see `visus.datamodules.segmentation.mask_polygons`.
        class_names: The classes, in order, as a checkpoint or a configuration states them. None
            to take them from `classes.csv`, or to number them.
        ignore: The value, or the name in `classes.csv`, of pixels that are neither learnt nor
            counted.
        exif: What EXIF orientation means to outlines in COCO's form.
        in_channels: Channels that images must have; 1 can be made of RGB.

    Raises:
        VisusError: If there is nothing to read at that place, or `classes.csv` is wrong.
    """
    if not is_segmentation(root) and root.exists() and recognise(root) == "coco":
        if ignore != IGNORE:
            raise VisusError(f"data.ignore {ignore!r}: in COCO's form crowds are ignored, no class")
        if in_channels not in (1, 3):
            raise VisusError(f"data.in_channels {in_channels}: COCO's images are RGB")
        drawn, table, problems, left_out = read_polygons(root, class_names, exif)
        problems += _check_whole(root, drawn, table)
        return SegmentationListing(tuple(drawn), table, tuple(problems), left_out)
    return _read_masks(root, class_names, ignore, in_channels)


def _read_masks(
    root: Path, class_names: Sequence[str] | None, ignore: int | str | None, in_channels: int
) -> SegmentationListing:
    pairs, problems = find_pairs(root)
    stated = (root if root.is_dir() else root.parent) / "classes.csv"
    table = read_class_table(stated, ignore) if stated.is_file() else None
    if table is None and isinstance(ignore, str):
        raise VisusError(f"data.ignore {ignore!r} names a class, but there is no {stated}")
    by_colour = table is not None and table.by_colour
    checks = list(_check_masks([Path(str(pair.mask)) for pair in pairs], by_colour))
    if table is None:
        number = ignore if isinstance(ignore, int) else None
        table = numbered_classes(class_names or _numbered(checks, number), number)
    elif class_names is not None and tuple(class_names) != table.names:
        table = table.renumbered(class_names)
    return _check_pairs(root, pairs, checks, problems, table, in_channels)


def check_pairs(root: Path, pairs: Sequence[MaskedImage], table: ClassTable) -> SegmentationListing:
    """Decode images and masks that are known to belong together.

    Args:
        root: The data set's folder, for messages.
        pairs: The images and their masks.
        table: What the values of masks mean.
    """
    checks = list(_check_masks([Path(str(pair.mask)) for pair in pairs], table.by_colour))
    return _check_pairs(root, pairs, checks, [], table)


def _check_pairs(
    root: Path,
    pairs: Sequence[MaskedImage],
    checks: Sequence[_MaskCheck],
    unpaired: Sequence[Problem],
    table: ClassTable,
    in_channels: int = 3,
) -> SegmentationListing:
    images, problems, left_out = [], list(unpaired), len(unpaired)
    found = inspect_images([pair.path for pair in pairs])
    for pair, check, image in zip(pairs, checks, found, strict=True):
        wrong = image.problems(pair.place, in_channels)
        if image.info is not None:
            shown = (image.info.height, image.info.width)
            wrong += _check_pair(pair, check, shown, image.info.orientation, table)
        problems += wrong
        if any(problem.severity == "error" for problem in wrong):
            left_out += 1
            continue
        counts = [0] * len(table.names)
        for value, pixels in (check.values or {}).items():
            if table.ids[value] != IGNORE:
                counts[table.ids[value]] += pixels
        images.append(replace(pair, content=image.content, size=check.size, counts=tuple(counts)))
    kept, doubled = check_copies(images)
    problems += doubled
    left_out += len(images) - len(kept)
    values = {value for check in checks for value in check.values or {}}
    if values == {0, 255} and table.ids.get(255) == IGNORE:
        message = (
            "its masks hold only 0 and 255, and 255 means no class; if it is one, write a "
            "classes.csv of the lines name,value and background,0 and object,255"
        )
        problems.append(Problem(str(root), message, "fatal"))
    problems += _check_whole(root, kept, table)
    return SegmentationListing(tuple(kept), table, tuple(problems), left_out)


def _check_masks(paths: Sequence[Path], colours: bool) -> Iterator[_MaskCheck]:
    """Decode every mask, in order."""
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        checks = pool.map(lambda path: _check_mask(path, colours), paths)
        yield from track(checks, "Checking masks", total=len(paths))


def _check_mask(path: Path, colours: bool) -> _MaskCheck:
    try:
        mask = read_mask(path, colours)
    except ImageError as error:
        return _MaskCheck(error=str(error))
    numbers = packed(mask) if colours else mask
    values, counts = np.unique(numbers, return_counts=True)
    found = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    height, width = mask.shape[:2]
    return _MaskCheck((height, width), found)


def _check_pair(
    pair: MaskedImage,
    check: _MaskCheck,
    shown: tuple[int, int],
    orientation: int,
    table: ClassTable,
) -> list[Problem]:
    """What is wrong with a mask, given the size of its image."""
    if check.values is None:
        return [Problem(pair.place, check.error, "error")]
    if check.size != shown:
        told = f"{check.size[1]} x {check.size[0]}, its image {shown[1]} x {shown[0]}"
        message = f"{pair.mask}: the mask is {told}; make them equal"
        return [Problem(pair.place, message, "error")]
    if orientation != 1 and (orientation < 5 or shown[0] == shown[1]):
        message = (
            f"the image has EXIF orientation {orientation}, and nothing tells whether its mask "
            "was drawn on the upright image; save the image upright, without that entry"
        )
        return [Problem(pair.place, message, "error")]
    strangers = {value: count for value, count in check.values.items() if value not in table.ids}
    if strangers:
        worst = sorted(strangers, key=lambda value: -strangers[value])[:5]
        told = ", ".join(
            f"{_told(value, table.by_colour)} ({strangers[value]} px)" for value in worst
        )
        message = (
            f"{pair.mask}: {told} {'is' if len(strangers) == 1 else 'are'} none of the "
            f"{len(table.names)} classes ({', '.join(table.names)}); mend the mask, "
            "add the class to classes.csv, or name it with --data.ignore"
        )
        return [Problem(pair.place, message, "error")]
    if all(table.ids[value] == IGNORE for value in check.values):
        return [Problem(pair.place, f"{pair.mask}: no pixel belongs to a class", "error")]
    return []


def _told(value: int, is_colour: bool) -> str:
    return f"colour #{value:06x}" if is_colour else f"id {value}"


def _numbered(checks: Sequence[_MaskCheck], ignore: int | None) -> list[str]:
    """Names for classes that only have numbers."""
    values = {value for check in checks for value in check.values or {}} - {ignore}
    return [f"class {number}" for number in range(min(MOST_CLASSES, max(values, default=0) + 1))]


def _check_whole(root: Path, kept: Sequence[MaskedImage], table: ClassTable) -> list[Problem]:
    """What is wrong with the data set as a whole."""
    if not kept:
        return [Problem(str(root), "holds no usable pair of image and mask", "fatal")]
    if len(table.names) < 2:
        return [Problem(str(root), "its masks hold a single class; two at least differ", "fatal")]
    total = np.sum([image.counts for image in kept], axis=0)
    return [
        Problem(str(root), f"no pixel of class {name!r}", "warning")
        for name, count in zip(table.names, total, strict=True)
        if count == 0
    ]
