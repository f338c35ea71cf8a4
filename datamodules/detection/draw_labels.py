"""Draw the labels of a detection data set, to be checked by eye."""

from pathlib import Path

import numpy as np

from visus.datamodules.core.detection_files import DetectionListing
from visus.datamodules.core.images import inspect_images
from visus.datamodules.core.labels import LabelledImage
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import read_image
from visus.vision.output_files import OutputNames, write_image

_EXAMPLES = 24


def draw_labels(applied: DetectionListing, ignored: DetectionListing, folder: Path) -> int:
    """Draw all images with an EXIF orientation in both ways, and evenly spaced others.

    Args:
        applied: The data set, checked with its labels in pixels of upright images.
        ignored: The same, with its labels in pixels of the images as they are stored.
        folder: Where the images are written.

    Returns:
        The number of images that were written.
    """
    samples = applied.samples
    names = OutputNames(folder, (image.path for image in samples))
    checks = inspect_images([image.path for image in samples])
    orientations = [1 if check.info is None else check.info.orientation for check in checks]
    stored = {image.place: image for image in ignored.samples}
    others = []
    written = 0
    for image, orientation in zip(samples, orientations, strict=True):
        if orientation == 1:
            others.append(image)
            continue
        for each, word in ((image, "apply"), (stored.get(image.place), "ignore")):
            if each is not None:
                _draw(applied, each, names.name(str(image.path), f"-exif-{word}.jpg"))
                written += 1
    step = max(1, len(others) // _EXAMPLES)
    for image in others[::step][:_EXAMPLES]:
        _draw(applied, image, names.name(str(image.path), ".jpg"))
        written += 1
    return written


def _draw(listing: DetectionListing, image: LabelledImage, path: Path) -> None:
    ids = np.array([listing.class_names.index(item.label) for item in image.objects], int)
    boxes = np.array([item.box for item in image.objects]).reshape(-1, 4)
    labels = [item.label for item in image.objects]
    write_image(path, draw_boxes(read_image(image.path, image.upright), boxes, labels, ids))
