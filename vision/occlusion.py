"""Occlusion maps: how much a score drops while a part of the image is covered.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901.
These maps need predictions only, and so explain a model in any runtime.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.prediction import Prediction

_WINDOWS = 7
"""Windows beside each other along the longer side; they overlap by half."""


@dataclass(frozen=True)
class Target:
    """A part of a prediction that is explained.

    Attributes:
        name: In words, such as a class.
        score: How much of it a prediction of a changed image still holds; the higher, the more.
    """

    name: str
    score: Callable[[Prediction], float]


Scores = Callable[[list[Pixels]], NDArray[np.float64]]
"""From changed copies of an image to the score of each target, of shape (copies, targets)."""


def target_scores(model: Model, targets: list[Target]) -> Scores:
    """The scores of targets in the predictions of a model."""

    def scores(images: list[Pixels]) -> NDArray[np.float64]:
        predictions = model.predict_batch(images)
        return np.array([[target.score(each) for target in targets] for each in predictions])

    return scores


def occlusion_maps(image: Pixels, scores: Scores, batch_size: int = 1) -> list[NDArray[np.float32]]:
    """How much each part of an image matters for each target.

    Args:
        image: uint8 of shape (height, width, channels).
        scores: Of the targets.
        batch_size: Copies of the image in one call of `scores`.

    Returns:
        For each target float32 of shape (height, width): the drop of its score while a window over
        the pixel has the image's mean colour, as a fraction of the largest drop; zeros where
        nothing drops.
    """
    before = scores([image])[0]
    height, width = image.shape[:2]
    side = max(1, round(max(height, width) / _WINDOWS))
    step = max(1, side // 2)
    windows = [
        (slice(max(0, row), row + side), slice(max(0, column), column + side))
        for row in range(-(side - step), height, step)
        for column in range(-(side - step), width, step)
    ]
    mean = image.reshape(-1, image.shape[2]).mean(0).round().astype(np.uint8)
    sums = np.zeros((len(before), height, width), np.float32)
    counts = np.zeros((height, width), np.float32)
    for start in range(0, len(windows), batch_size):
        chosen = windows[start : start + batch_size]
        covered = []
        for rows, columns in chosen:
            changed = image.copy()
            changed[rows, columns] = mean
            covered.append(changed)
        for (rows, columns), after in zip(chosen, scores(covered), strict=True):
            sums[:, rows, columns] += np.maximum(before - after, 0)[:, None, None]
            counts[rows, columns] += 1
    # Windows are coarse: the map must not appear more precise than it is.
    smooth = [cv2.GaussianBlur(each, (0, 0), max(step / 2, 0.5)) for each in sums / counts]
    return [np.asarray(each / max(float(each.max()), 1e-12), np.float32) for each in smooth]
