"""Attacks on classifiers of images and clips."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


class ClassAttack:
    """Seeks images that are assigned to a wrong class; see `visus.models.attacks.AttackObjective`.

    Args:
        logits: From images (uint8, or float of 0 to 255) to logits of shape (batch, classes).
        labels: Class ids of shape (batch,), or rows of zeros and ones (batch, classes).
    """

    def __init__(self, logits: Callable[[Tensor], Tensor], labels: Tensor) -> None:
        self.logits = logits
        self.labels = labels

    def loss(self, images: Tensor) -> Tensor:
        """The cross-entropy of each image."""
        logits = self.logits(images)
        if self.labels.ndim == 2:
            return F.binary_cross_entropy_with_logits(
                logits, self.labels.float(), reduction="none"
            ).sum(1)
        return F.cross_entropy(logits, self.labels, reduction="none")

    def damage(self, images: Tensor) -> Tensor:
        """The margin by which a wrong class exceeds the right one; positive if it does."""
        with torch.inference_mode():
            logits = self.logits(images)
        if self.labels.ndim == 2:
            return torch.where(self.labels > 0, -logits, logits).amax(1)
        right = F.one_hot(self.labels, logits.shape[1]).bool()
        others = logits.masked_fill(right, -torch.inf).amax(1)
        return others - logits.gather(1, self.labels[:, None])[:, 0]
