"""Images of a data set with their labels drawn, for the eye to check."""

from pathlib import Path

import numpy as np

from visus.datamodules.core.detection_files import DetectionListing
from visus.datamodules.core.labels import LabelledImage
from visus.datamodules.segmentation.dataset import read_masked
from visus.datamodules.segmentation.files import SegmentationListing
from visus.vision.colours import class_colour
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.masks import draw_areas
from visus.vision.images import inspect_image, read_image, visible
from visus.vision.output_files import OutputNames, write_image

_SAMPLE = 24


def draw_labels(listing: DetectionListing, folder: Path) -> int:
    """Draw all images with an EXIF orientation, both ways, and an even choice of the others.

    Args:
        listing: The data set.
        folder: Where to write.

    Returns:
        How many images were written.
    """
    names = OutputNames(folder)
    oriented = [p for p in listing.images if inspect_image(p.path).orientation != 1]
    others = [p for p in listing.images if p not in oriented]
    step = max(1, len(others) // _SAMPLE)
    drawn = 0
    for image in oriented:
        for upright, word in ((True, "apply"), (False, "ignore")):
            path = names.name(str(image.path), f"-exif-{word}.jpg")
            _draw(listing, image, upright, path)
            drawn += 1
    for image in others[::step][:_SAMPLE]:
        _draw(listing, image, image.upright, names.name(str(image.path), ".jpg"))
        drawn += 1
    return drawn


def _draw(listing: DetectionListing, image: LabelledImage, upright: bool, path: Path) -> None:
    ids = np.array([listing.class_names.index(item.label) for item in image.objects], int)
    boxes = np.array([item.box for item in image.objects]).reshape(-1, 4)
    labels = [item.label for item in image.objects]
    write_image(path, draw_boxes(read_image(image.path, upright), boxes, labels, ids))


def draw_masks(listing: SegmentationListing, folder: Path) -> int:
    """Draw an even choice of images, tinted by class; unlabelled pixels stay as they are.

    Args:
        listing: The data set.
        folder: Where to write.

    Returns:
        How many images were written.
    """
    names = OutputNames(folder)
    classes = listing.classes
    colours = classes.colours or [class_colour(i) for i in range(len(classes.names))]
    step = max(1, len(listing.images) // _SAMPLE)
    chosen = listing.images[::step][:_SAMPLE]
    for sample in chosen:
        image, mask = read_masked(sample, classes)
        path = names.name(str(sample.path), ".jpg")
        write_image(path, draw_areas(visible(image), mask, colours))
    return len(chosen)
