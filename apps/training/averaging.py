"""Weights averaged over the last steps, by which a trained model predicts."""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_swa_avg_fn


class AveragedWeights(WeightAveraging):
    """Averages weights as Lightning's callback does, but with what a model needs besides.

    The average is on the device of the training, leaves integers as they are, and has what a task
    chooses after each validation, such as a score threshold.

    Args:
        callback: Lightning's callback, which says how and after which steps to average.
    """

    def __init__(self, callback: WeightAveraging) -> None:
        average: Any = callback._kwargs.get("avg_fn") or get_swa_avg_fn()  # type: ignore[no-untyped-call]

        def update(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():
                # Rounded down, indices would be one too low.
                return current
            updated: Tensor = average(averaged, current, count)
            return updated

        super().__init__(callback._device, callback._use_buffers, avg_fn=update)
        self._callback = callback

    @property
    def state_key(self) -> str:
        """The key of Lightning's callback in checkpoints."""
        return self._callback.state_key

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether to average after a step, or after an epoch."""
        return self._callback.should_update(step_idx, epoch_idx)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Create the average; the module is moved to its device after this."""
        if self._device is None:
            self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the task's own buffers, which it has just set, before they are saved."""
        if self._average_model is not None:
            own = dict(self._average_model.module.named_buffers(recurse=False))
            for name, value in pl_module.named_buffers(recurse=False):
                own[name].copy_(value)


def recent_average(share: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """The update of an average over the latest steps, whose number grows with the training.

    Polynomial-decay averaging (Shamir and Zhang 2013, "Stochastic Gradient Descent for Non-smooth
    Optimization"): at any time, and without knowing how many steps there will be.

    Args:
        share: Effective window, as a fraction of the steps so far: that of a plain average of the
            same mean age.
    """

    def update(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        # In tensors: on a GPU, reading the count for each parameter would wait as often.
        steps = torch.as_tensor(count, dtype=torch.float32) + 1
        return averaged + (current - averaged) / (share / (2 - share) * steps).clamp(min=1.0)

    return update


def averaged(callbacks: Sequence[Callback]) -> list[Callback]:
    """The callbacks with `AveragedWeights` in place of Lightning's."""
    return [
        AveragedWeights(each) if type(each) in (EMAWeightAveraging, WeightAveraging) else each  # type: ignore[arg-type]
        for each in callbacks
    ]
