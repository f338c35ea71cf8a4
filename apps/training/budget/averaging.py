"""Weights averaged over the last steps, by which a training under a budget predicts."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_avg_fn


class AveragedWeights(WeightAveraging):
    """An exponential moving average of the weights, updated after each step.

    Unlike Lightning's, it is on the device of the training, leaves integers as they are, and has
    what a task chooses after each validation, such as a score threshold.

    Args:
        decay: Fraction of the average that a step keeps.
    """

    def __init__(self, decay: float) -> None:
        average: Any = get_ema_avg_fn(decay)  # type: ignore[no-untyped-call]

        def update(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():
                # Rounded down, indices would be one too low.
                return current
            updated: Tensor = average(averaged, current, count)
            return updated

        super().__init__(avg_fn=update)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Create the average; the module is moved to its device after this."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the task's own buffers, which it has just set, before they are saved."""
        if self._average_model is not None:
            own = dict(self._average_model.module.named_buffers(recurse=False))
            for name, value in pl_module.named_buffers(recurse=False):
                own[name].copy_(value)
