"""Draw segmentations: every pixel tinted by its class, and a legend of the largest classes."""

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.text import text_tag
from visus.vision.images import Pixels

_LEGEND = 8


def draw_segmentation(image: Pixels, prediction: SegmentationPrediction, still: bool) -> Pixels:
    """A copy of the image tinted by class, the largest classes named in the top left corner.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Makes no difference.
    """
    canvas = draw_areas(image, prediction.mask, prediction.colours)
    height, width = canvas.shape[:2]
    size = max(11, min(24, round(min(height, width) / 32)))
    top = 0
    for name, area in list(prediction.areas().items())[:_LEGEND]:
        class_id = prediction.class_names.index(name)
        tag = text_tag(f"{name} {area:.0%}", size, prediction.colours[class_id])
        rows, columns = min(tag.shape[0], height - top), min(tag.shape[1], width)
        canvas[top : top + rows, :columns] = tag[:rows, :columns]
        top += rows
    return canvas
