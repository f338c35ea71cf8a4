"""From a model's raw outputs to predictions: one function and one dataclass a task."""

from collections.abc import Callable
from typing import Any

from visus.vision.resize import Fit
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs, Prediction
from visus.tasks.captioning.prediction import CaptionPrediction, caption_prediction
from visus.tasks.classification.prediction import ClassificationPrediction, classification_prediction
from visus.apps.inference.combined_prediction import CombinedPrediction
from visus.tasks.detection.prediction import DetectionPrediction, detection_prediction
from visus.tasks.face3d.prediction import Face3DPrediction, FaceCrops, face3d_prediction
from visus.tasks.face_recognition.prediction import FacePrediction, face_prediction
from visus.tasks.segmentation.prediction import SegmentationPrediction, segmentation_prediction

__all__ = [
    "TASKS",
    "CaptionPrediction",
    "ClassificationPrediction",
    "CombinedPrediction",
    "DetectionPrediction",
    "Face3DPrediction",
    "FaceCrops",
    "FacePrediction",
    "Outputs",
    "Prediction",
    "SegmentationPrediction",
    "to_prediction",
]

_BY_TASK: dict[str, Callable[[Outputs, Any, ModelMetadata], Prediction]] = {
    "captioning": caption_prediction,
    "classification": classification_prediction,
    "detection": detection_prediction,
    "face3d": face3d_prediction,
    "face_recognition": face_prediction,
    "segmentation": segmentation_prediction,
}

TASKS = tuple(_BY_TASK)
"""The tasks whose outputs can be read."""


def to_prediction(
    outputs: Outputs, fit: Fit | FacePrediction | FaceCrops, metadata: ModelMetadata
) -> Prediction:
    """Turn a model's outputs for one picture into its task's prediction.

    Args:
        outputs: The arrays that `forward` returns, without the batch dimension.
        fit: The map that brought the picture to the model's input; for faces, those found in the
            picture, for faces in space with their crops.
        metadata: The model's.
    """
    return _BY_TASK[metadata.task](outputs, fit, metadata)
