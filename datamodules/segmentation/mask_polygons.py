"""Masks from the outlines of a detection data set in COCO format."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.detection_files import Exif, read_detection
from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.outlines import object_mask
from visus.datamodules.core.problems import Problem
from visus.datamodules.segmentation.class_table import ClassTable, numbered_classes
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE

BACKGROUND = "background"
"""The class of pixels outside all objects; its id is 0."""


def read_polygons(
    root: Path, class_names: Sequence[str] | None, exif: Exif, allow_outside: bool = False
) -> tuple[list[MaskedImage], ClassTable, list[Problem], int]:
    """Read a data set in COCO format whose objects have polygons or run lengths.

    Args:
        root: See `visus.datamodules.core.detection_files.read_detection`.
        class_names: The classes of a checkpoint, with the background first; None for those of the
            data set.
        exif: How EXIF orientation applies to the outlines.
        allow_outside: Whether annotations may name files outside of the data set's folder.

    Returns:
        The usable images, the classes, the problems, and the number of images and objects left out.

    Raises:
        VisusError: If there is nothing to read, or the first class is not the background.
    """
    if class_names and class_names[0] != BACKGROUND:
        raise VisusError(
            f"{root}: class 0 of COCO outlines is {BACKGROUND!r}, that of the model is "
            f"{class_names[0]!r}; these data do not match the model"
        )
    kinds = [name for name in class_names if name != BACKGROUND] if class_names else None
    listing = read_detection(root, "coco", kinds, exif, allow_outside)
    if BACKGROUND in listing.class_names:
        raise VisusError(
            f"{root}: has a class {BACKGROUND!r}, the name of pixels outside all objects; rename it"
        )
    table = numbered_classes(class_names or (BACKGROUND, *listing.class_names), None)
    ids = {name: i for i, name in enumerate(table.names)}
    images = []
    # An object that is left out would be trained on as background, so that none may be left out.
    problems = [
        replace(problem, severity="fatal") if problem.severity == "error" else problem
        for problem in listing.problems
    ]
    left_out = listing.left_out
    for image in listing.samples:
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
    """Rasterise objects to class ids: smaller objects over larger ones, crowds unlabelled.

    Args:
        objects: Objects with outlines in pixels.
        size: (height, width) of the image in pixels.
        ids: The class id of each label.
    """
    mask = np.zeros(size, np.uint8)
    # Rasterised twice, as the masks of a thousand objects would fill the memory.
    areas = [int(object_mask(item, size).sum()) for item in objects]
    for i in sorted(range(len(objects)), key=lambda i: -areas[i]):
        item = objects[i]
        mask[object_mask(item, size)] = IGNORE if item.ignored else ids[item.label]
    return mask
