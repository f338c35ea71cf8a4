"""Several models that predict for the same image, as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.model_wrapper import ModelWrapper
from visus.vision.prediction import Prediction


@dataclass(frozen=True, eq=False)
class CombinedPrediction:
    """The predictions of several models for one image.

    Attributes:
        names: Of the models.
        parts: Their predictions, in the same order.
    """

    task: ClassVar[str] = ""

    names: tuple[str, ...]
    parts: tuple[Prediction, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of the first model; under `and` those of the others, each with its `model`."""
        others = [
            {"model": name, **part.to_json()}
            for name, part in zip(self.names[1:], self.parts[1:], strict=True)
        ]
        return {**self.parts[0].to_json(), "and": others}

    def summary(self) -> str:
        """See `Prediction.summary`."""
        return "; ".join(part.summary() for part in self.parts)


class CombinedModel(ModelWrapper):
    """Models that predict for the same images, one after the other.

    Args:
        models: At least two; runtime and metadata are those of the first.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__(models[0])
        self.models = tuple(models)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The names of all models."""
        return " and ".join(model.name for model in self.models)

    @property
    def workers(self) -> int:  # type: ignore[override]
        """As many as every model allows."""
        return min(model.workers for model in self.models)

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """As many as every model takes."""
        return min(model.batch_size for model in self.models)

    def predict_image(self, image: Pixels) -> CombinedPrediction:
        """See `Model.predict_image`."""
        # Each model checks the image for itself.
        parts = tuple(model.predict(image) for model in self.models)
        return CombinedPrediction(tuple(model.name for model in self.models), parts)

    def predict_images(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Model.predict_images`."""
        names = tuple(model.name for model in self.models)
        predictions = zip(*(model.predict_batch(images) for model in self.models), strict=True)
        return [CombinedPrediction(names, parts) for parts in predictions]

    def predict_frame(self, frame: Frame) -> CombinedPrediction:
        """See `Model.predict_frame`."""
        parts = tuple(model.predict_frame(frame) for model in self.models)
        return CombinedPrediction(tuple(model.name for model in self.models), parts)

    def apply_state(self, prediction: Prediction, time: float | None = None) -> CombinedPrediction:
        """See `Model.apply_state`."""
        assert isinstance(prediction, CombinedPrediction)
        pairs = zip(self.models, prediction.parts, strict=True)
        return replace(prediction, parts=tuple(m.apply_state(part, time) for m, part in pairs))


def combine(models: Sequence[Model]) -> Model:
    """Several models as one; a single model as it is."""
    return CombinedModel(models) if len(models) > 1 else models[0]
