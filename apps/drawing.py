"""Draw predictions of any task on their images."""

from visus.apps.inference.combined import CombinedPrediction
from visus.tasks.registry import task_spec
from visus.vision.images import Pixels, visible
from visus.vision.prediction import Prediction


def draw_prediction(image: Pixels, prediction: Prediction, still: bool = False) -> Pixels:
    """A copy of the image with its prediction drawn on it.

    Args:
        image: uint8 of shape (height, width, channels).
        prediction: Made from this image.
        still: Whether the image is not a frame of a video, so that details are drawn too.
    """
    image = visible(image)
    parts = prediction.parts if isinstance(prediction, CombinedPrediction) else (prediction,)
    for part in parts:
        image = task_spec(part.task).draw()(image, part, still)
    return image
