"""Prediction of a classifier, and the postprocessing of its logits."""

from dataclasses import dataclass
from typing import Any, ClassVar

from visus.tasks.class_scores import ClassScores, scores_of
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry


@dataclass(frozen=True, eq=False)
class ClassificationPrediction(ClassScores):
    """Scores of all classes for one image."""

    task: ClassVar[str] = "classification"

    def to_json(self) -> dict[str, Any]:
        """`{"task": "classification", "classes": [{"label", "score"}, ...]}`, see `labels`."""
        classes = [{"label": label, "score": round(score, 6)} for label, score in self.labels()]
        return {"task": self.task, "classes": classes}


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> ClassificationPrediction:
    """Turn logits into a prediction.

    Args:
        outputs: Logits of shape (classes,).
        geometry: Not used, as a class has no position in the image.
        metadata: Metadata of the model.
    """
    multi_label = bool(metadata.options.get("multi_label", False))
    scores = scores_of(outputs[0], multi_label)
    return ClassificationPrediction(scores, metadata.class_names, multi_label)
