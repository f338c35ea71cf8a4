"""Draw segmentations: every pixel tinted by its class, and a legend of the largest classes."""

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.panels import draw_legend
from visus.vision.images import Pixels

_LEGEND = 8


def draw_segmentation(image: Pixels, prediction: SegmentationPrediction, still: bool) -> Pixels:
    """A copy of the image tinted by class, the largest classes named in a corner.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Whether the legend goes below a small image, see
            `visus.vision.drawing.panels.draw_label_panel`.
    """
    canvas = draw_areas(image, prediction.mask, prediction.colours)
    largest = list(prediction.areas().items())[:_LEGEND]
    colours = dict(zip(prediction.class_names, prediction.colours, strict=True))
    return draw_legend(canvas, [(f"{n} {area:.0%}", colours[n]) for n, area in largest], still)
