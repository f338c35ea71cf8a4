"""How sure a classifier is of each class."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry


@dataclass(frozen=True, eq=False)
class ClassificationPrediction:
    """How sure a classifier is of each class.

    Attributes:
        scores: float32 of shape (classes,), each from 0 to 1; they sum to 1 unless `multi_label`.
        class_names: One name for each score.
        multi_label: Whether an image may belong to several classes at once.
    """

    task: ClassVar[str] = "classification"

    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    multi_label: bool = False

    def __post_init__(self) -> None:
        """Refuse scores that are no scores.

        Raises:
            ValueError: If the shapes disagree or a score is outside 0 to 1.
        """
        if self.scores.shape != (len(self.class_names),):
            raise ValueError(
                f"scores have shape {self.scores.shape} for {len(self.class_names)} classes"
            )
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must lie between 0 and 1, got {self.scores}")

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The best classes: (label, score), best first."""
        count = min(count, len(self.scores))
        # Of thousands of classes only the best need an order.
        ids = np.flatnonzero(self.scores >= np.partition(self.scores, -count)[-count])
        ids = ids[np.argsort(-self.scores[ids], kind="stable")][:count]
        return [(self.class_names[i], float(self.scores[i])) for i in ids]

    def labels(self) -> list[tuple[str, float]]:
        """What is reported: the best five, or with several labels an image those from 0.5 up."""
        if self.multi_label:
            return [pair for pair in self.top(len(self.class_names)) if pair[1] >= 0.5]
        return self.top()

    def to_json(self) -> dict[str, Any]:
        """`{"task": "classification", "classes": [{"label", "score"}, ...]}`, best first."""
        classes = [{"label": label, "score": round(score, 6)} for label, score in self.labels()]
        return {"task": self.task, "classes": classes}

    def summary(self) -> str:
        """The reported labels with their scores, at most five."""
        return ", ".join(f"{label} {score:.2f}" for label, score in self.labels()[:5]) or "none"


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> ClassificationPrediction:
    """Turn logits of shape (classes,) into scores; `fit` plays no part, a class has no place."""
    logits = np.asarray(outputs[0], np.float64)
    multi_label = bool(metadata.options.get("multi_label", False))
    if multi_label:
        scores = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    else:
        exponentials = np.exp(logits - logits.max())
        scores = exponentials / exponentials.sum()
    return ClassificationPrediction(scores.astype(np.float32), metadata.class_names, multi_label)
