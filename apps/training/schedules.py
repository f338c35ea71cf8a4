"""When the user's learning-rate scheduler makes its steps."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.cli import ReduceLROnPlateau
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

from visus.apps.parsing import CommandError


def schedule_of(scheduler: Any, trainer: pl.Trainer) -> dict[str, Any]:
    """Lightning's description of a scheduler: one step an epoch.

    `OneCycleLR` and `CyclicLR` make one each batch, as PyTorch documents them; `ReduceLROnPlateau`
    one after each validation if it monitors a metric of it.

    Args:
        scheduler: The scheduler.
        trainer: A trainer in `fit`.

    Raises:
        CommandError: If a `OneCycleLR` would end before the training.
    """
    schedule = {"scheduler": scheduler, "interval": "epoch"}
    if isinstance(scheduler, ReduceLROnPlateau):
        schedule["monitor"] = scheduler.monitor
        if scheduler.monitor.startswith("val/"):
            schedule["frequency"] = trainer.check_val_every_n_epoch or 1
    elif isinstance(scheduler, OneCycleLR | CyclicLR):
        schedule["interval"] = "step"
    if isinstance(scheduler, OneCycleLR):
        steps = trainer.estimated_stepping_batches
        if scheduler.total_steps < steps:
            raise CommandError(
                f"--lr_scheduler.total_steps {scheduler.total_steps} is less than the {steps:g} "
                "steps of the training; raise it"
            )
    return schedule
