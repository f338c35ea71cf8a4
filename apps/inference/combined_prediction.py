"""What several models find in one picture."""

from dataclasses import dataclass
from typing import Any

from visus.vision.prediction import Prediction


@dataclass(frozen=True, eq=False)
class CombinedPrediction:
    """What several models find in one picture.

    Attributes:
        names: Of the models.
        parts: Their predictions, in the same order.
    """

    names: tuple[str, ...]
    parts: tuple[Prediction, ...]

    def to_json(self) -> dict[str, Any]:
        """The first model's keys, and under `and` those of the others, each with its `model`."""
        others = [
            {"model": name, **part.to_json()}
            for name, part in zip(self.names[1:], self.parts[1:], strict=True)
        ]
        return {**self.parts[0].to_json(), "and": others}

    def summary(self) -> str:
        """See `Prediction.summary`."""
        return "; ".join(part.summary() for part in self.parts)
