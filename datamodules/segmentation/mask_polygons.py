"""Masks drawn from the outlines of a detection data set in COCO's form."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from visus.datamodules.core.detection_files import Exif, read_detection
from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.problems import Problem
from visus.datamodules.segmentation.class_table import ClassTable, numbered_classes
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE, decode_mask

BACKGROUND = "background"
"""The class of pixels outside all outlines; its id is 0."""


def read_polygons(
    root: Path, class_names: Sequence[str] | None, exif: Exif
) -> tuple[list[MaskedImage], ClassTable, list[Problem], int]:
    """Read a data set in COCO's form whose objects have polygons or run lengths.

    Args:
        root: See `visus.datamodules.core.detection_files.read_detection`.
        class_names: The classes, the background first, as a checkpoint states them.
        exif: What EXIF orientation means to the outlines.

    Returns:
        The images that can be used, the classes, what is wrong, and how much was left out.
    """
    if class_names and class_names[0] != BACKGROUND:
        raise VisusError(
            f"{root}: what no outline covers is class 0, {BACKGROUND!r}; the model's is "
            f"{class_names[0]!r}, so that these data do not suit it"
        )
    kinds = [name for name in class_names if name != BACKGROUND] if class_names else None
    listing = read_detection(root, "coco", kinds, exif)
    if BACKGROUND in listing.class_names:
        raise VisusError(
            f"{root}: has a class {BACKGROUND!r}, the name of what no outline covers; rename it"
        )
    table = numbered_classes(class_names or (BACKGROUND, *listing.class_names), None)
    ids = {name: i for i, name in enumerate(table.names)}
    images = []
    # An object that is left out would be learnt as background, so that nothing may be left out.
    problems = [
        replace(problem, severity="fatal") if problem.severity == "error" else problem
        for problem in listing.problems
    ]
    left_out = listing.left_out
    for image in listing.images:
        bare = [item for item in image.objects if not item.has_mask]
        if bare:
            message = f"{bare[0].label!r} has a box but no outline, so that its pixels are unknown"
            problems.append(Problem(bare[0].place, message, "fatal"))
            left_out += 1
            continue
        mask = draw_objects(image.objects, image.size, ids)
        counts = np.bincount(mask.ravel(), minlength=IGNORE + 1)[: len(table.names)]
        images.append(
            MaskedImage(
                image.path,
                image.objects,
                image.split,
                image.place,
                image.content,
                image.size,
                tuple(int(count) for count in counts),
                image.upright,
            )
        )
    return images, table, problems, left_out


def draw_objects(
    objects: Sequence[LabelledObject], size: tuple[int, int], ids: Mapping[str, int]
) -> NDArray[np.uint8]:
    """The class ids of an image's pixels: smaller objects over larger ones, crowds ignored.

    Args:
        objects: With outlines in pixels.
        size: (height, width) of the image in pixels.
        ids: The class id of each label.
    """
    mask = np.zeros(size, np.uint8)
    # Drawn twice, as keeping the pixels of a thousand objects would fill the memory.
    areas = [int(object_mask(item, size).sum()) for item in objects]
    for i in sorted(range(len(objects)), key=lambda i: -areas[i]):
        item = objects[i]
        mask[object_mask(item, size)] = IGNORE if item.ignored else ids[item.label]
    return mask


def object_mask(item: LabelledObject, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of an object as its polygons or run lengths tell; its box if they do not.

    Args:
        item: Its polygons in pixels.
        size: (height, width) of the image in pixels.
    """
    height, width = size
    if item.runs:
        return decode_mask(size, list(item.runs))
    if item.polygons:
        rings = coco_mask.frPyObjects([list(ring) for ring in item.polygons], height, width)
        return np.asarray(coco_mask.decode(coco_mask.merge(rings)), bool)
    mask = np.zeros(size, bool)
    x1, y1, x2, y2 = (round(value) for value in item.box)
    mask[y1:y2, x1:x2] = True
    return mask
