"""Draw a classification: a panel with bars in a corner of the image."""

from visus.tasks.classification.prediction import ClassificationPrediction
from visus.vision.drawing.panels import draw_label_panel
from visus.vision.images import Pixels


def draw_classification(image: Pixels, prediction: ClassificationPrediction, still: bool) -> Pixels:
    """Draw the five classes of highest score.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: The prediction for this image.
        still: Whether the panel goes below a small image, see `draw_label_panel`.

    Returns:
        A copy of the image with the panel; larger than the image if that is small and `still`.
    """
    return draw_label_panel(image, prediction.labels()[:5], still)
