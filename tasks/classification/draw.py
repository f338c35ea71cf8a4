"""Draw classifications: a panel of bars in the corner."""

from visus.tasks.classification.prediction import ClassificationPrediction
from visus.vision.drawing.panels import draw_label_panel
from visus.vision.images import Pixels


def draw_classification(image: Pixels, prediction: ClassificationPrediction, still: bool) -> Pixels:
    """A copy of the image with the best five classes and their scores.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Makes no difference.
    """
    return draw_label_panel(image, prediction.labels()[:5])
