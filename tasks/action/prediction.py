"""Prediction for the last seconds of a video, and the postprocessing of logits."""

from dataclasses import dataclass
from typing import Any, ClassVar

from visus.tasks.class_scores import ClassScores, scores_of
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry


@dataclass(frozen=True)
class Segment:
    """An interval of a video with one label.

    Attributes:
        start: Seconds since the start of the video.
        end: Seconds since the start of the video.
        label: The class; empty for none.
        score: Its mean score in the interval, 0 to 1.
    """

    start: float
    end: float
    label: str
    score: float


@dataclass(frozen=True, eq=False)
class ActionPrediction(ClassScores):
    """Scores of all classes for the last seconds of a video, or for a clip as a whole.

    Attributes:
        recent: The labels of the last seconds in order; the last one ends now.
    """

    task: ClassVar[str] = "action"

    recent: tuple[Segment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """`{"task": "action", "classes": [{"label", "score"}, ...]}`, see `labels`."""
        classes = [{"label": label, "score": round(score, 6)} for label, score in self.labels()]
        return {"task": self.task, "classes": classes}


def postprocess(outputs: Outputs, geometry: Geometry, metadata: ModelMetadata) -> ActionPrediction:
    """Turn logits into a prediction.

    Args:
        outputs: Logits of shape (classes,); a state after them is ignored.
        geometry: Not used, as an action has no position in the image.
        metadata: Metadata of the model.
    """
    multi_label = bool(metadata.options.get("multi_label", False))
    scores = scores_of(outputs[0], multi_label)
    return ActionPrediction(scores, metadata.class_names, multi_label)
