"""A detector that tracks its objects through a video."""

from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.tracking import Tracker
from visus.vision.model import Model, ModelWrapper
from visus.vision.prediction import Prediction


class TrackedModel(ModelWrapper):
    """A detector that assigns track numbers to its objects from frame to frame.

    Args:
        model: The detector.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._tracker = Tracker()

    def apply_state(self, prediction: Prediction) -> DetectionPrediction:
        """The detections of confirmed tracks with their track numbers."""
        assert isinstance(prediction, DetectionPrediction)
        return self._tracker.update(prediction)
