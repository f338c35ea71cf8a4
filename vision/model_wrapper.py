"""Models around other models, which change how these predict."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.metadata import ModelMetadata
from visus.vision.model import Batch, Model
from visus.vision.prediction import Prediction


class ModelWrapper(Model):
    """Delegates everything to another model; a subclass overrides what differs.

    Args:
        model: The wrapped model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def name(self) -> str:  # type: ignore[override]
        """See `Model.name`."""
        return self.model.name

    @property
    def runtime(self) -> str:  # type: ignore[override]
        """See `Model.runtime`."""
        return self.model.runtime

    @property
    def metadata(self) -> ModelMetadata:  # type: ignore[override]
        """See `Model.metadata`."""
        return self.model.metadata

    @property
    def precision(self) -> str:  # type: ignore[override]
        """See `Model.precision`."""
        return self.model.precision

    @property
    def workers(self) -> int:  # type: ignore[override]
        """See `Model.workers`."""
        return self.model.workers

    def run(self, images: Batch, *state: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self.model.run(images, *state)

    def preprocess(self, image: Pixels) -> tuple[Batch, Any]:
        """See `Model.preprocess`."""
        return self.model.preprocess(image)

    def predict_image(self, image: Pixels) -> Prediction:
        """See `Model.predict_image`."""
        return self.model.predict_image(image)

    def apply_state(self, prediction: Prediction, time: float | None = None) -> Prediction:
        """See `Model.apply_state`."""
        return self.model.apply_state(prediction, time)

    def network_inputs(self, image: Pixels) -> Batch:
        """See `Model.network_inputs`."""
        return self.model.network_inputs(image)

    def set_option(self, name: str, value: Any) -> None:
        """See `Model.set_option`."""
        self.model.set_option(name, value)


class StatefulModel(ModelWrapper):
    """A wrapper that changes predictions in `apply_state` alone, so that batches stay batches."""

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """See `Model.batch_size`."""
        return self.model.batch_size

    def predict_images(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Model.predict_images`."""
        return self.model.predict_images(images)


def detached(model: Model) -> Model:
    """A model with the same network, whose options and state are its own."""
    model = copy(model)
    if isinstance(model, ModelWrapper):
        model.model = detached(model.model)
    return model


def innermost(model: Model) -> Model:
    """The model inside all wrappers."""
    while isinstance(model, ModelWrapper):
        model = model.model
    return model
