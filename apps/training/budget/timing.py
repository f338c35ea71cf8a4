"""Train a few steps, to measure how long they take."""

import signal
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from visus.apps.training.budget import clock
from visus.apps.training.budget.callbacks import ThreadAdapter
from visus.datamodules.core.base import VisionDataModule
from visus.tasks.base import VisionTask

_STEPS = 4
"""Measured steps; one more comes before them."""


def seconds_per_step(
    task: VisionTask, data: VisionDataModule[Any], arguments: Mapping[str, Any], limit: float
) -> float:
    """Train a task for some steps.

    Args:
        task: The task.
        data: Its data.
        arguments: Of the trainer: `accelerator`, `devices` and `precision`.
        limit: Most seconds to measure.

    Returns:
        Mean seconds of a step after the first.

    Raises:
        KeyboardInterrupt: At Ctrl+C.
        SystemExit: At SIGTERM, with the code of a process that it ended.
    """
    timer = _StepTimer(limit)
    trainer = pl.Trainer(
        **arguments,
        max_epochs=-1,
        max_steps=_STEPS + 1,
        limit_val_batches=0,
        logger=False,
        callbacks=[ThreadAdapter(), timer],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(task, datamodule=data)
    except SIGTERMException:
        sys.exit(128 + signal.SIGTERM)
    except SystemExit:
        # Lightning ends the process at Ctrl+C, after which it ignores a second one.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    return timer.mean


class _StepTimer(pl.Callback):
    """Measures the time of the steps after the first.

    Args:
        limit: Seconds after which no further step is measured.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._times: list[float] = []

    @property
    def mean(self) -> float:
        """Mean seconds of a step."""
        return (self._times[-1] - self._times[0]) / max(1, len(self._times) - 1)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object, **__: object) -> None:
        """Read the clock."""
        self._times.append(clock.now())
        if len(self._times) > 1 and self._times[-1] - self._times[0] > self._limit:
            trainer.should_stop = True
