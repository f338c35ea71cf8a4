"""Attacks on detectors."""

import torch
from torch import Tensor

from visus.tasks.base import VisionTask


class VanishingAttack:
    """Seeks images without detections; see `visus.models.attacks.AttackObjective`.

    Args:
        task: A detector in evaluation mode.
    """

    def __init__(self, task: VisionTask) -> None:
        self.task = task

    def loss(self, images: Tensor) -> Tensor:
        """Minus the sum of the scores of all detections of each image."""
        return -self._scores(images).sum(1)

    def damage(self, images: Tensor) -> Tensor:
        """Minus the sum of the scores of the detections that are reported."""
        with torch.inference_mode():
            scores = self._scores(images)
        threshold = float(self.task.options()["threshold"])
        return -torch.where(scores >= threshold, scores, 0).sum(1)

    def _scores(self, images: Tensor) -> Tensor:
        """Scores of shape (batch, detections)."""
        scores: Tensor = self.task(images)[1]
        return scores.float()
