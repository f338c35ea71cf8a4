"""Draw the labels of a detection data set, to be checked by eye."""

from pathlib import Path

import numpy as np

from visus.datamodules.core.detection_files import DetectionListing
from visus.datamodules.core.labels import LabelledImage
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import inspect_image, read_image
from visus.vision.output_files import OutputNames, write_image

_EXAMPLES = 24


def draw_labels(listing: DetectionListing, folder: Path) -> int:
    """Draw all images with an EXIF orientation in both ways, and evenly spaced others.

    Args:
        listing: The checked data set.
        folder: Where the images are written.

    Returns:
        The number of images that were written.
    """
    names = OutputNames(folder, (image.path for image in listing.samples))
    oriented = [p for p in listing.samples if inspect_image(p.path).orientation != 1]
    others = [p for p in listing.samples if p not in oriented]
    step = max(1, len(others) // _EXAMPLES)
    written = 0
    for image in oriented:
        for upright, word in ((True, "apply"), (False, "ignore")):
            path = names.name(str(image.path), f"-exif-{word}.jpg")
            _draw(listing, image, upright, path)
            written += 1
    for image in others[::step][:_EXAMPLES]:
        _draw(listing, image, image.upright, names.name(str(image.path), ".jpg"))
        written += 1
    return written


def _draw(listing: DetectionListing, image: LabelledImage, upright: bool, path: Path) -> None:
    ids = np.array([listing.class_names.index(item.label) for item in image.objects], int)
    boxes = np.array([item.box for item in image.objects]).reshape(-1, 4)
    labels = [item.label for item in image.objects]
    write_image(path, draw_boxes(read_image(image.path, upright), boxes, labels, ids))
