"""Scores of classes: what the predictions of several tasks have in common."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from visus.vision.occlusion import Target
from visus.vision.prediction import Item


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of all classes.

    Attributes:
        scores: float32 of shape (classes,), 0 to 1; they sum to 1 unless `multi_label`.
        class_names: One name for each class id.
        multi_label: Whether there may be several labels.
    """

    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    multi_label: bool = False

    def __post_init__(self) -> None:
        """Validate the scores.

        Raises:
            ValueError: If their number is not that of the classes, or one is outside 0 to 1.
        """
        if self.scores.shape != (len(self.class_names),):
            raise ValueError(
                f"scores have shape {self.scores.shape} for {len(self.class_names)} classes"
            )
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must lie between 0 and 1, got {self.scores}")

    @property
    def uncertainty(self) -> float:
        """0 for a certain prediction, to 1.

        It is what the score of the first label lacks to 1; with `multi_label` how close the score
        closest to 0.5 is to it.
        """
        if self.multi_label:
            return float(1 - 2 * np.abs(self.scores - 0.5).min())
        return float(1 - self.scores.max())

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The classes of highest score.

        Args:
            count: How many at most.

        Returns:
            Pairs of label and score, sorted by descending score.
        """
        count = min(count, len(self.scores))
        # Only the classes of highest score are sorted, as there may be thousands.
        ids = np.flatnonzero(self.scores >= np.partition(self.scores, -count)[-count])
        ids = ids[np.argsort(-self.scores[ids], kind="stable")][:count]
        return [(self.class_names[i], float(self.scores[i])) for i in ids]

    def labels(self) -> list[tuple[str, float]]:
        """The predicted labels with their scores, sorted by descending score.

        These are the five classes of highest score, or with `multi_label` all classes with a score
        of at least 0.5.
        """
        if self.multi_label:
            return [pair for pair in self.top(len(self.class_names)) if pair[1] >= 0.5]
        return self.top()

    def items(self) -> list[Item]:
        """The entries of `labels`."""
        return [Item(label, score) for label, score in self.labels()]

    def summary(self) -> str:
        """One line with at most five of `labels`."""
        return ", ".join(f"{label} {score:.2f}" for label, score in self.labels()[:5]) or "none"


def scores_of(logits: NDArray[np.floating], multi_label: bool) -> NDArray[np.float32]:
    """The scores of logits of shape (..., classes): sigmoid with `multi_label`, else softmax."""
    logits = np.asarray(logits, np.float64)
    if multi_label:
        scores = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    else:
        exponentials = np.exp(logits - logits.max(-1, keepdims=True))
        scores = exponentials / exponentials.sum(-1, keepdims=True)
    return np.asarray(scores, np.float32)


def class_targets(prediction: ClassScores) -> list[Target]:
    """The class of highest score, or with `multi_label` the predicted labels."""

    def target(index: int) -> Target:
        name = prediction.class_names[index]
        return Target(name, lambda changed: float(cast(ClassScores, changed).scores[index]))

    if not prediction.multi_label:
        return [target(int(prediction.scores.argmax()))]
    return [target(prediction.class_names.index(label)) for label, _ in prediction.labels()[:3]]
