"""Pictures of a data set with their labels drawn, for the eye to check."""

from pathlib import Path

import numpy as np

from visus.apps.drawing_tmp import draw_areas, draw_boxes, write_image
from visus.apps.live.sinks.files_tmp import OutputNames
from visus.datamodules.core.detection_files import DetectionListing
from visus.datamodules.core.labels import LabelledPicture
from visus.datamodules.segmentation.dataset import read_masked
from visus.datamodules.segmentation.files import SegmentationListing
from visus.vision.colours import class_colour
from visus.vision.images import inspect_image, read_image, visible

_SAMPLE = 24


def draw_labels(listing: DetectionListing, folder: Path) -> int:
    """Draw all pictures with an EXIF orientation, both ways, and an even choice of the others.

    Args:
        listing: The data set.
        folder: Where to write.

    Returns:
        How many pictures were written.
    """
    names = OutputNames(folder)
    oriented = [p for p in listing.pictures if inspect_image(p.path).orientation != 1]
    others = [p for p in listing.pictures if p not in oriented]
    step = max(1, len(others) // _SAMPLE)
    drawn = 0
    for picture in oriented:
        for upright, word in ((True, "apply"), (False, "ignore")):
            path = names.name(str(picture.path), f"-exif-{word}.jpg")
            _draw(listing, picture, upright, path)
            drawn += 1
    for picture in others[::step][:_SAMPLE]:
        _draw(listing, picture, picture.upright, names.name(str(picture.path), ".jpg"))
        drawn += 1
    return drawn


def _draw(listing: DetectionListing, picture: LabelledPicture, upright: bool, path: Path) -> None:
    ids = np.array([listing.class_names.index(item.label) for item in picture.objects], int)
    boxes = np.array([item.box for item in picture.objects]).reshape(-1, 4)
    labels = [item.label for item in picture.objects]
    write_image(path, draw_boxes(read_image(picture.path, upright), boxes, labels, ids))


def draw_masks(listing: SegmentationListing, folder: Path) -> int:
    """Draw an even choice of pictures, tinted by class; unlabelled pixels stay as they are.

    Args:
        listing: The data set.
        folder: Where to write.

    Returns:
        How many pictures were written.
    """
    names = OutputNames(folder)
    classes = listing.classes
    colours = classes.colours or [class_colour(i) for i in range(len(classes.names))]
    step = max(1, len(listing.pictures) // _SAMPLE)
    chosen = listing.pictures[::step][:_SAMPLE]
    for picture in chosen:
        image, mask = read_masked(picture, classes)
        path = names.name(str(picture.path), ".jpg")
        write_image(path, draw_areas(visible(image), mask, colours))
    return len(chosen)
