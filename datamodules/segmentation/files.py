"""Read a segmentation data set, and check every image and its mask."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from visus.datamodules.core.detection_files import Exif, recognise
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.problems import Problem, has_errors
from visus.datamodules.core.thread_pools import thread_pool
from visus.datamodules.segmentation.class_table import (
    MAX_CLASSES,
    ClassTable,
    numbered_classes,
    pack_colours,
    read_class_table,
)
from visus.datamodules.segmentation.mask_pairs import (
    MaskedImage,
    classes_file,
    find_csv,
    find_folders,
    find_pairs,
)
from visus.datamodules.segmentation.mask_polygons import read_polygons
from visus.vision.errors import VisusError
from visus.vision.images import ImageError, read_mask
from visus.vision.masks import IGNORE
from visus.vision.progress import track

_MANY_VALUES = 64
"""Masks without names of classes seldom hold more of them."""


@dataclass(frozen=True)
class SegmentationListing:
    """The checked images and masks of a data set, and its problems.

    Attributes:
        samples: The usable images, in a fixed order.
        classes: The meaning of the values in masks.
        problems: Problems of the data set; images with errors are left out.
        left_out: Number of images that were left out.
    """

    samples: Sequence[MaskedImage]
    classes: ClassTable
    problems: tuple[Problem, ...]
    left_out: int


@dataclass(frozen=True)
class _MaskCheck:
    """Result of decoding a mask: its size and the pixels of each value, or an error."""

    size: tuple[int, int] = (0, 0)
    values: Mapping[int, int] | None = None
    error: str = ""


def is_segmentation(root: Path) -> bool:
    """Whether a path holds images with masks; COCO outlines are not recognised as such."""
    return find_csv(root) is not None or (root.is_dir() and bool(find_folders(root)))


def read_segmentation(
    root: Path,
    class_names: Sequence[str] | None = None,
    ignore: int | str | None = IGNORE,
    exif: Exif = "auto",
    in_channels: int = 3,
    allow_outside: bool = False,
) -> SegmentationListing:
    """Read a data set of images and masks, and decode all of them.

    Args:
        root: See `visus.datamodules.segmentation.mask_pairs.find_pairs`; the folder may have a
            `classes.csv`, see `visus.datamodules.segmentation.class_table.read_class_table`. Or a
            data set in COCO format, see `visus.datamodules.segmentation.mask_polygons`.
        class_names: The classes, in order, of a checkpoint or a configuration. None for those of
            `classes.csv`, or numbered ones.
        ignore: The value, or the name in `classes.csv`, of unlabelled pixels.
        exif: How EXIF orientation applies to COCO outlines.
        in_channels: Channels that images must have; 3 are accepted for 1.
        allow_outside: Whether annotations may name files outside of the data set's folder.

    Raises:
        VisusError: If there is nothing to read, or `classes.csv` lacks its column.
    """
    if not is_segmentation(root) and root.exists() and recognise(root) == "coco":
        if ignore != IGNORE:
            raise VisusError(
                f"data.ignore {ignore!r}: in COCO format crowds are ignored, no class is"
            )
        if in_channels not in (1, 3):
            raise VisusError(f"data.in_channels {in_channels}: COCO images are RGB")
        images, table, problems, left_out = read_polygons(root, class_names, exif, allow_outside)
        problems += _check_classes(root, images, table)
        return SegmentationListing(tuple(images), table, tuple(problems), left_out)
    return _read_masks(root, class_names, ignore, in_channels, allow_outside)


def _read_masks(
    root: Path,
    class_names: Sequence[str] | None,
    ignore: int | str | None,
    in_channels: int,
    allow_outside: bool,
) -> SegmentationListing:
    pairs, problems = find_pairs(root, allow_outside)
    csv = classes_file(root)
    table = None
    if csv.is_file():
        table, wrong = read_class_table(csv, ignore)
        problems += wrong
        if any(problem.severity == "fatal" for problem in wrong):
            return SegmentationListing((), table, tuple(problems), len(pairs))
    elif isinstance(ignore, str):
        raise VisusError(f"data.ignore {ignore!r} names a class, but there is no {csv}")
    by_colour = table is not None and table.by_colour
    checks = list(_check_masks(pairs, by_colour))
    if table is None:
        ignored = ignore if isinstance(ignore, int) else None
        table = numbered_classes(class_names or _class_numbers(checks, ignored), ignored)
    elif class_names is not None and tuple(class_names) != table.names:
        table = table.reordered(class_names)
    return _check_pairs(root, pairs, checks, problems, table, in_channels)


def check_pairs(
    root: Path, pairs: Sequence[MaskedImage], table: ClassTable, problems: Sequence[Problem] = ()
) -> SegmentationListing:
    """Decode RGB images and masks that are paired already; detects duplicates, unknown values.

    Args:
        root: The data set's folder, for messages.
        pairs: The images and their masks in files.
        table: The meaning of the values in masks.
        problems: The problems of the images that are not paired.
    """
    checks = list(_check_masks(pairs, table.by_colour))
    return _check_pairs(root, pairs, checks, problems, table, in_channels=3)


def _check_pairs(
    root: Path,
    pairs: Sequence[MaskedImage],
    checks: Sequence[_MaskCheck],
    unpaired: Sequence[Problem],
    table: ClassTable,
    in_channels: int,
) -> SegmentationListing:
    images, problems = [], list(unpaired)
    left_out = sum(problem.severity == "error" for problem in unpaired)
    decoded = inspect_images([pair.path for pair in pairs])
    for pair, check, image in zip(pairs, checks, decoded, strict=True):
        own = image.problems(pair.place, in_channels)
        if image.info is not None:
            size = (image.info.height, image.info.width)
            own += _check_mask(pair, check, size, image.info.orientation, table)
        problems += own
        if has_errors(own):
            left_out += 1
            continue
        counts = [0] * len(table.names)
        for value, pixels in (check.values or {}).items():
            if table.ids[value] != IGNORE:
                counts[table.ids[value]] += pixels
        images.append(replace(pair, content=image.content, size=check.size, counts=tuple(counts)))
    usable, duplicates = check_copies(images)
    problems += duplicates
    left_out += len(images) - len(usable)
    values = {value for check in checks for value in check.values or {}}
    if values == {0, 255} and table.ids.get(255) == IGNORE:
        message = (
            "its masks hold only 0 and 255, and 255 means unlabelled; if it is a class, write a "
            "classes.csv with the lines name,value and background,0 and object,255"
        )
        problems.append(Problem(str(root), message, "fatal"))
    problems += _check_edges(root, checks) if table.ids.get(IGNORE) == IGNORE else []
    problems += _check_classes(root, usable, table)
    return SegmentationListing(tuple(usable), table, tuple(problems), left_out)


def _check_masks(pairs: Sequence[MaskedImage], colours: bool) -> Iterator[_MaskCheck]:
    """Decode every mask, in parallel; yields the results in order."""
    paths = [Path(str(pair.mask)) for pair in pairs]
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with thread_pool() as pool:
        checks = pool.map(lambda path: _decode(path, colours), paths)
        yield from track(checks, "Checking masks", total=len(paths))


def _decode(path: Path, colours: bool) -> _MaskCheck:
    try:
        mask = read_mask(path, colours)
    except ImageError as error:
        return _MaskCheck(error=str(error))
    pairs: Iterable[tuple[int, int]]
    if colours:
        pairs = zip(*np.unique(pack_colours(mask), return_counts=True), strict=True)
    else:
        # Ten times as fast as sorting the pixels.
        pairs = enumerate(np.bincount(mask.ravel()))
    pixels = {int(value): int(count) for value, count in pairs if count}
    height, width = mask.shape[:2]
    return _MaskCheck((height, width), pixels)


def _check_mask(
    pair: MaskedImage,
    check: _MaskCheck,
    image_size: tuple[int, int],
    orientation: int,
    table: ClassTable,
) -> list[Problem]:
    """Problems of a mask, given the size and EXIF orientation of its image."""
    if check.values is None:
        return [Problem(pair.place, check.error, "error")]
    if check.size != image_size:
        message = (
            f"{pair.mask}: the mask is {check.size[1]} x {check.size[0]}, its image "
            f"{image_size[1]} x {image_size[0]}; make them equal"
        )
        return [Problem(pair.place, message, "error")]
    if orientation != 1 and (orientation < 5 or image_size[0] == image_size[1]):
        message = (
            f"the image has EXIF orientation {orientation}, and it is unknown whether its mask "
            "was drawn on the upright image; save the image upright, without that entry"
        )
        return [Problem(pair.place, message, "error")]
    unknown = {value: count for value, count in check.values.items() if value not in table.ids}
    if unknown:
        most = sorted(unknown, key=lambda value: -unknown[value])[:5]
        values = ", ".join(
            f"{_describe(value, table.by_colour)} ({unknown[value]} px)" for value in most
        )
        message = (
            f"{pair.mask}: {values} {'is' if len(unknown) == 1 else 'are'} none of the "
            f"{len(table.names)} classes ({', '.join(table.names)}); fix the mask, "
            "add the class to classes.csv, or name it with --data.ignore"
        )
        return [Problem(pair.place, message, "error")]
    if all(table.ids[value] == IGNORE for value in check.values):
        return [Problem(pair.place, f"{pair.mask}: no pixel belongs to a class", "error")]
    return []


def _describe(value: int, by_colour: bool) -> str:
    return f"colour #{value:06x}" if by_colour else f"id {value}"


def _class_numbers(checks: Sequence[_MaskCheck], ignored: int | None) -> list[str]:
    """Class names built from the ids in masks."""
    values = {value for check in checks for value in check.values or {}} - {ignored}
    return [f"class {number}" for number in range(min(MAX_CLASSES, max(values, default=0) + 1))]


def _check_edges(root: Path, checks: Sequence[_MaskCheck]) -> list[Problem]:
    """A problem where masks of black and white are smoothed, and have all greys at their edges."""
    pixels: Counter[int] = Counter()
    for check in checks:
        pixels.update(check.values or {})
    objects = [value for value, _ in pixels.most_common() if value]
    if len(pixels) <= _MANY_VALUES or objects[0] != IGNORE:
        return []
    message = (
        f"its masks hold {len(pixels)} values, mostly 0 and 255: their edges are smoothed; save "
        "them as PNG without smoothing, with the number of a class for each pixel"
    )
    return [Problem(str(root), message, "fatal")]


def _check_classes(root: Path, usable: Sequence[MaskedImage], table: ClassTable) -> list[Problem]:
    """Problems of the data set as a whole: no images, too few classes, classes without pixels."""
    if not usable:
        return [Problem(str(root), "holds no usable pair of image and mask", "fatal")]
    if len(table.names) < 2:
        message = "its masks hold a single class; segmentation needs at least two"
        return [Problem(str(root), message, "fatal")]
    total = np.sum([image.counts for image in usable], axis=0)
    return [
        Problem(str(root), f"no pixel of class {name!r}", "warning")
        for name, count in zip(table.names, total, strict=True)
        if count == 0
    ]
