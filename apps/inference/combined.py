"""Several models that look at the same picture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.runtimes_tmp import Model
from visus.vision.images import Pixels
from visus.apps.inference.combined_prediction import CombinedPrediction
from visus.vision.prediction import Prediction


class CombinedModel(Model):
    """Models that predict for the same pictures, one after the other.

    Args:
        models: Two at least; the first gives runtime and metadata.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        first = self.models[0]
        self.name = " and ".join(model.name for model in self.models)
        self.runtime, self.metadata = first.runtime, first.metadata

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Of the first; see `Model.run`."""
        return self.models[0].run(images)

    def predict_pixels(self, image: Pixels) -> CombinedPrediction:
        """See `Model.predict_pixels`."""
        # Each checks for itself whether this is a picture that it takes.
        parts = tuple(model.predict(image) for model in self.models)
        return CombinedPrediction(tuple(model.name for model in self.models), parts)

    def follow(self, prediction: Prediction) -> CombinedPrediction:
        """See `Model.follow`."""
        assert isinstance(prediction, CombinedPrediction)
        pairs = zip(self.models, prediction.parts, strict=True)
        return replace(prediction, parts=tuple(model.follow(part) for model, part in pairs))
