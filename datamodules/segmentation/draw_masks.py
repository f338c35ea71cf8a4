"""Draw the masks of a data set over its images, to check them by eye."""

from pathlib import Path

from visus.datamodules.segmentation.dataset import read_masked
from visus.datamodules.segmentation.files import SegmentationListing
from visus.vision.colours import class_colour
from visus.vision.drawing.masks import draw_areas
from visus.vision.images import visible
from visus.vision.output_files import OutputNames, write_image

_MAX_IMAGES = 24


def draw_masks(listing: SegmentationListing, folder: Path) -> int:
    """Draw evenly spaced images, tinted by class; unlabelled pixels are not tinted.

    Args:
        listing: The data set.
        folder: Where the images are written.

    Returns:
        The number of images written.
    """
    names = OutputNames(folder, (sample.path for sample in listing.samples))
    classes = listing.classes
    colours = classes.colours or [class_colour(i) for i in range(len(classes.names))]
    step = max(1, len(listing.samples) // _MAX_IMAGES)
    chosen = listing.samples[::step][:_MAX_IMAGES]
    for sample in chosen:
        image, mask = read_masked(sample, classes)
        path = names.name(str(sample.path), ".jpg")
        write_image(path, draw_areas(visible(image), mask, colours))
    return len(chosen)
