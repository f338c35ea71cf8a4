"""Attacks on segmenters."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from visus.tasks.base import Batch, VisionTask
from visus.vision.masks import IGNORE


class PixelAttack:
    """Seeks images whose pixels get wrong classes; see `visus.models.attacks.AttackObjective`.

    Args:
        task: A segmenter in evaluation mode.
        batch: With `truth` and `geometry`.
    """

    def __init__(self, task: VisionTask, batch: Batch) -> None:
        masks = [
            geometry.mask_from_source(truth, IGNORE)
            for truth, geometry in zip(batch["truth"], batch["geometry"], strict=True)
        ]
        self.masks = torch.from_numpy(np.stack(masks)).to(task.device)
        self.task = task

    def loss(self, images: Tensor) -> Tensor:
        """The mean cross-entropy of the labelled pixels of each image."""
        logits = self.task(images)[0].float()
        masks = self._masks(logits)
        losses = F.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="none")
        labelled: Tensor = (masks != IGNORE).sum((1, 2))
        total: Tensor = losses.sum((1, 2))
        return total / labelled.clamp(min=1)

    def damage(self, images: Tensor) -> Tensor:
        """The fraction of the labelled pixels of each image whose class is wrong."""
        with torch.inference_mode():
            logits = self.task(images)[0]
        masks = self._masks(logits)
        labelled = masks != IGNORE
        wrong = (logits.argmax(1) != masks) & labelled
        counts: Tensor = wrong.sum((1, 2))
        return counts / labelled.sum((1, 2)).clamp(min=1)

    def _masks(self, logits: Tensor) -> Tensor:
        """The true masks at the resolution of the logits."""
        masks = self.masks[:, None].float()
        return F.interpolate(masks, logits.shape[2:], mode="nearest")[:, 0].long()
