"""A detector whose objects keep their numbers through a video."""

import numpy as np
from numpy.typing import NDArray

from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.tracking import Tracker
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.prediction import Prediction


class TrackedModel(Model):
    """A detector whose objects keep a number from frame to frame.

    Args:
        model: The detector.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.runtime, self.metadata = model.name, model.runtime, model.metadata
        self.workers = model.workers
        self._tracker = Tracker()

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self.model.run(images)

    def predict_pixels(self, image: Pixels) -> Prediction:
        """Without numbers; see `Model.predict_pixels`."""
        return self.model.predict_pixels(image)

    def follow(self, prediction: Prediction) -> DetectionPrediction:
        """The same objects with their numbers."""
        assert isinstance(prediction, DetectionPrediction)
        return self._tracker.update(prediction)
