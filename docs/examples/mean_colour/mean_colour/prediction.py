"""The prediction: one colour for an image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs


@dataclass(frozen=True, eq=False)
class MeanColourPrediction:
    """The mean colour of an image.

    Attributes:
        colour: float32 of shape (3,), red, green and blue, each from 0 to 1.
    """

    task: ClassVar[str] = "mean_colour"

    colour: NDArray[np.float32]

    def to_json(self) -> dict[str, Any]:
        """`{"task": "mean_colour", "colour": [red, green, blue]}`."""
        return {"task": self.task, "colour": [round(float(value), 4) for value in self.colour]}

    def summary(self) -> str:
        """The colour as HTML writes it."""
        return "#" + "".join(f"{round(255 * float(value)):02x}" for value in self.colour)


def postprocess(
    outputs: Outputs, geometry: object, metadata: ModelMetadata
) -> MeanColourPrediction:
    """Turn the network's output of shape (3,) into a colour."""
    return MeanColourPrediction(np.asarray(outputs[0], np.float32).clip(0, 1))


def draw_mean_colour(image: Pixels, prediction: MeanColourPrediction, still: bool) -> Pixels:
    """A copy of the image with a patch of the colour in its corner."""
    canvas = image.copy()
    side = max(1, min(image.shape[:2]) // 4)
    canvas[:side, :side] = (255 * prediction.colour).round().astype(np.uint8)
    return canvas
