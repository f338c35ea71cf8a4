"""Draw any task's prediction on its image."""

from visus.apps.inference.combined import CombinedPrediction
from visus.tasks.registry import task_spec
from visus.vision.images import Pixels, visible
from visus.vision.prediction import Prediction


def draw_prediction(image: Pixels, prediction: Prediction, still: bool = False) -> Pixels:
    """A copy of the image with its prediction drawn on it.

    Args:
        image: uint8 of shape (height, width, channels).
        prediction: Made from this image.
        still: Whether the image stands alone, so that there is room and time for details.
    """
    image = visible(image)
    parts = prediction.parts if isinstance(prediction, CombinedPrediction) else (prediction,)
    for part in parts:
        image = task_spec(part.task).draw()(image, part, still)
    return image
