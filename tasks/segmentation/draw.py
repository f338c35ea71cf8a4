"""Draw segmentations: every pixel tinted by its class, and the largest classes named."""

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.text import tag_of
from visus.vision.images import Pixels


def _draw_segmentation(image: Pixels, prediction: SegmentationPrediction) -> Pixels:
    """Every pixel tinted by its class, and the largest classes named in a corner."""
    canvas = draw_areas(image, prediction.mask, prediction.colours)
    height, width = canvas.shape[:2]
    size = max(11, min(24, round(min(height, width) / 32)))
    top = 0
    for name, share in list(prediction.areas().items())[:8]:
        number = prediction.class_names.index(name)
        tag = tag_of(f"{name} {share:.0%}", size, prediction.colours[number])
        rows, columns = min(tag.shape[0], height - top), min(tag.shape[1], width)
        canvas[top : top + rows, :columns] = tag[:rows, :columns]
        top += rows
    return canvas
