"""The prediction that the page begins with, and the maps that explain it."""

from dataclasses import dataclass

import cv2
import numpy as np

from visus.apps.drawing import draw_prediction
from visus.apps.inference.inspected import InspectedNetwork
from visus.tasks.spec import Explanation
from visus.tasks.torch_network import torch_task
from visus.vision.images import Pixels, visible

_SIDE = 800
"""Longest side in pixels of the images on the page."""


@dataclass(frozen=True, eq=False)
class ShownPrediction:
    """What the page shows of a prediction.

    Attributes:
        drawn: The image with the prediction, uint8 RGB.
        summary: The prediction in words.
        explanations: Maps that explain it.
    """

    drawn: Pixels
    summary: str
    explanations: list[Explanation]


def predict_for_page(inspected: InspectedNetwork, image: Pixels) -> ShownPrediction:
    """Predict for an image; a backbone by itself predicts nothing.

    Args:
        inspected: The network.
        image: uint8 of shape (height, width, channels).
    """
    if inspected.model is None:
        summary = "A backbone by itself has random weights: its scores mean nothing yet."
        return ShownPrediction(_shrunk(visible(image)), summary, [])
    prediction = inspected.model.predict(image)
    task = torch_task(inspected.model, "visus inspect")
    explain = task.spec.explain()
    maps = [] if explain is None else explain(task, image)
    return ShownPrediction(
        _shrunk(draw_prediction(image, prediction, still=True)),
        prediction.summary(),
        [Explanation(_shrunk(each.image), each.caption) for each in maps],
    )


def _shrunk(image: Pixels) -> Pixels:
    scale = _SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
