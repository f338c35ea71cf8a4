"""A time limit that holds for the whole training, its last validation included."""

import math
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.trainer.states import RunningStage


class ValidationAwareTimer(Timer):
    """Ends a training so early that the validation after its last batch is within the limit.

    Lightning's timer starts after the few batches that are validated before the training, and lets
    the last validation begin when the time is over. How long that takes is known from the one
    before, at first from those few batches.

    Args:
        timer: The timer with the limit.

    Attributes:
        training_began: Seconds that had elapsed before the first step, with which the schedule of
            the learning rate starts; None before it.
    """

    def __init__(self, timer: Timer) -> None:
        super().__init__(None, timer._interval, timer._verbose)
        self._duration = timer._duration
        self._batch_seconds = 0.0
        self._reserve = 0.0
        self._began = time.monotonic()
        self.training_began: float | None = None
        self._agreed: tuple[float, float | None] | None = None

    @property
    def state_key(self) -> str:
        """The key of Lightning's timer in checkpoints."""
        return Timer.__qualname__

    def time_elapsed(self, stage: str = RunningStage.TRAINING) -> float:
        """Seconds since the start; of several processes those of the first, after a step."""
        if self._agreed is not None and stage == RunningStage.TRAINING:
            return self._agreed[0]
        return super().time_elapsed(stage)

    def time_remaining(self, stage: str = RunningStage.TRAINING) -> float | None:
        """Seconds until the last validation must begin; None without a limit."""
        if self._agreed is not None and stage == RunningStage.TRAINING:
            return self._agreed[1]
        left = super().time_remaining(stage)
        return None if left is None else left - self._reserve

    def on_fit_start(self, trainer: pl.Trainer, *args: object, **more: object) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._agree(trainer)
        super().on_fit_start(trainer, *args, **more)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from the start of the clock."""
        super().on_train_start(trainer, pl_module)
        self._start_time[RunningStage.TRAINING] = self._began

    def state_dict(self) -> dict[str, Any]:
        """Lightning's state, and when the training began."""
        agreed, self._agreed = self._agreed, None
        state = super().state_dict() | {"training_began": self.training_began}
        self._agreed = agreed
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`; a run of an older version has counted from its start."""
        super().load_state_dict(state_dict)
        self.training_began = state_dict.get("training_began", 0.0)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure how long a batch of the validation takes."""
        super().on_validation_end(trainer, pl_module)
        sanity = trainer.sanity_checking
        batches = trainer.num_sanity_val_batches if sanity else trainer.num_val_batches
        start, end = (
            moment(RunningStage.VALIDATING) or 0.0 for moment in (self.start_time, self.end_time)
        )
        self._batch_seconds = (end - start) / max(1, sum(batches))

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object) -> None:
        """Reserve the time of a validation, whose number of batches is known by now."""
        if self.training_began is None:
            self._agree(trainer)
            self.training_began = self.time_elapsed()
        batches = sum(trainer.num_val_batches)
        self._reserve = self._batch_seconds * batches if math.isfinite(batches) else 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **more: Any) -> None:
        """End the training if the time is over."""
        self._agree(trainer)
        super().on_train_batch_end(trainer, *args, **more)

    def on_train_epoch_end(self, trainer: pl.Trainer, *args: Any, **more: Any) -> None:
        """End the training if the time is over."""
        self._agree(trainer)
        super().on_train_epoch_end(trainer, *args, **more)

    def _agree(self, trainer: pl.Trainer) -> None:
        """Take over the time of the first process: learning rates and the end follow it."""
        if trainer.world_size > 1:
            self._agreed = None
            self._agreed = trainer.strategy.broadcast((self.time_elapsed(), self.time_remaining()))

    def _check_time_remaining(self, trainer: pl.Trainer) -> None:
        left = self.time_remaining()
        trainer.should_stop = trainer.should_stop or (left is not None and left <= 0)


def replace_timers(callbacks: Sequence[Callback]) -> list[Callback]:
    """The callbacks, Lightning's timers replaced by those that reserve time for validation."""
    return [ValidationAwareTimer(each) if type(each) is Timer else each for each in callbacks]
