"""Saves `last.ckpt`, from which an interrupted training continues exactly, and stops at signals."""

import math
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint, StochasticWeightAveraging
from torch import Tensor

from visus.apps.training.budget import clock
from visus.apps.training.memory_errors import is_worker_death
from visus.apps.training.resuming import data_module_of, rescale_position
from visus.apps.training.stop_signals import Interrupted, StopSignals
from visus.tasks.checkpoint_files import write_checkpoint

_INTERVAL = 20
"""Time between the ends of two saves, as a multiple of the time of the first."""


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's writing of checkpoints, by `write_checkpoint`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """See `visus.tasks.checkpoint_files.write_checkpoint`."""
        write_checkpoint(checkpoint, Path(path))


class LastCheckpoint(Checkpoint):
    """Saves `last.ckpt` before validations, after epochs, at the end, and when a signal arrives.

    Some epochs are left out where they are so short that saving after each would take more than a
    twentieth of the time. After a signal the training stops after the current batch; a
    second one stops it at once. A validation is not saved in its middle: it starts again when the
    training is resumed.

    Args:
        folder: The run folder.

    Attributes:
        signals: The signals that were received.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "last.ckpt"
        self.signals = StopSignals()
        self._save_seconds = 0.0
        self._saved_at = -math.inf
        self._validation_is_next = False
        self._is_saving = False
        self._stops = False
        self._epoch_ended = False
        self._metrics: dict[str, float] = {}
        self._validations = 0
        self._gradients: dict[str, Tensor] = {}

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle signals."""
        self.signals.handle()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle signals, and restore what Lightning does not.

        These are the metrics, gradients of an unfinished accumulation, and the step of
        `ReduceLROnPlateau` that follows an epoch.
        """
        self.signals.handle()
        # Callbacks find the metrics of an earlier validation there.
        trainer._logger_connector._callback_metrics.update(
            {name: torch.tensor(value) for name, value in self._metrics.items()}
        )
        if self._epoch_ended:
            self._reduce_on_plateau(trainer, trainer.current_epoch)
        self._epoch_ended = False
        for name, parameter in pl_module.named_parameters():
            if name in self._gradients:
                gradient = self._gradients[name][trainer.global_rank]
                parameter.grad = gradient.to(parameter.device).clone()
        self._gradients = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save after a signal, unless a validation or the epoch's end does so next."""
        loop = trainer.fit_loop.epoch_loop
        if self.signals.agree(trainer) and not (
            loop._should_accumulate()
            or loop._num_ready_batches_reached()
            or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]
        ):
            self._save(trainer)
            self._stops = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop if the state was saved after the batch before, whose metrics are logged by now."""
        if self._stops:
            raise Interrupted(self.signals.received)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state from which a resumed training starts with this validation."""
        if trainer.state.fn != "fit":
            return
        if not trainer.sanity_checking:
            # A resumed training has counted the start of the validation that was marked.
            counts: Any = trainer.fit_loop.epoch_loop.val_loop.batch_progress.total
            counts.ready = counts.started = counts.processed
            self._validation_is_next = True
            self._save(trainer)
            self._validation_is_next = False
        self._stop_if_signalled(trainer)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop after a signal; several processes stop after the validation.

        Their numbers of batches may differ, so that they cannot agree after each.
        """
        if trainer.world_size == 1:
            self._stop_if_signalled(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the validations, each of which is a row of the curves."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._validations += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state after the epoch; a training that has reached its end is not stopped.

        Lightning lets `ReduceLROnPlateau` make its step after this hook, which is the last one of
        an epoch; a resumed training makes it.
        """
        loop = trainer.fit_loop
        # Without `loop.done`, which changes the number of the epoch.
        # Lightning types it as the base class, without `processed`.
        epochs: Any = loop.epoch_progress.current
        limits = (
            (epochs.processed, loop.max_epochs or -1),
            (trainer.global_step, loop.max_steps),
        )
        ends = trainer.should_stop and loop._can_stop_early
        ends = ends or any(0 <= limit <= count for count, limit in limits)
        saves = ends or self._is_due(trainer)
        if saves:
            self._epoch_ended = True
            self._save(trainer)
            self._epoch_ended = False
        if loop.restarting:
            # Lightning leaves the step out in an epoch that was resumed.
            self._note_metrics(trainer)
            self._reduce_on_plateau(trainer, trainer.current_epoch + 1)
        if saves and not ends:
            self._stop_if_signalled(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the average of the weights, which this callback only now puts in their place."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(each, StochasticWeightAveraging) for each in callbacks):
            self._save(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The metrics, the number of validations, and whether a step at an epoch's end is missing.

        That is the step of `ReduceLROnPlateau`.
        """
        return {
            "metrics": self._metrics,
            "validations": self._validations,
            "epoch_ended": self._epoch_ended,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""
        self._metrics = dict(state_dict.get("metrics", state_dict.get("figures", {})))
        self._validations = state_dict.get("validations", 0)
        self._epoch_ended = bool(state_dict.get("epoch_ended"))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add gradients of an unfinished accumulation, and mark a validation as next.

        It is marked as begun, which makes Lightning run it first.
        """
        if self._is_saving and trainer.fit_loop.epoch_loop._should_accumulate():
            gather, processes = trainer.strategy.all_gather, trainer.world_size
            checkpoint["gradients"] = {
                name: gather(each.grad).reshape(processes, *each.shape)
                for name, each in pl_module.named_parameters()
                if each.grad is not None
            }
        if self._validation_is_next:
            nothing = {"ready": 0, "completed": 0, "started": 0, "processed": 0}
            checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"] = {
                "total": nothing | {"ready": 1, "started": 1},
                "current": dict(nothing),
                "is_last_batch": False,
            }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adapt the position in an epoch to another batch size or number of processes."""
        accumulated = trainer.accumulate_grad_batches
        is_another = rescale_position(checkpoint, data_module_of(trainer), accumulated)
        self._gradients = {} if is_another else checkpoint.get("gradients", {})

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Save the state if the data ended between two batches, since a loading process died.

        A signal to the whole process group, or the system's lack of memory, ends such processes.
        """
        batches = trainer.fit_loop.epoch_loop.batch_progress.current
        is_between = trainer.training and batches.ready == batches.completed
        # Saving waits for all processes, and the others may be in the middle of a batch.
        if is_between and trainer.world_size == 1 and is_worker_death(exception):
            self._save(trainer)

    def _reduce_on_plateau(self, trainer: pl.Trainer, epochs: int) -> None:
        """Make the step of `ReduceLROnPlateau` after a number of epochs."""
        for config in trainer.lr_scheduler_configs:
            is_next = config.reduce_on_plateau and epochs % config.frequency == 0
            if is_next and config.monitor in self._metrics:
                config.scheduler.step(self._metrics[config.monitor])  # type: ignore[arg-type]

    def _is_due(self, trainer: pl.Trainer) -> bool:
        """Whether the last save is long enough ago; several processes save after every epoch."""
        passed = clock.now() - self._saved_at
        due = trainer.world_size > 1 or passed >= _INTERVAL * self._save_seconds
        return due or bool(self.signals.received)

    def _note_metrics(self, trainer: pl.Trainer) -> None:
        metrics = trainer.callback_metrics
        self._metrics = {name: float(value) for name, value in metrics.items()}

    def _save(self, trainer: pl.Trainer) -> None:
        start = clock.now()
        # The curves up to this state: a killed process writes no more of them.
        for logger in trainer.loggers:
            logger.save()
        self._note_metrics(trainer)
        if trainer.is_global_zero:
            # A run with these metrics is finished; one that trains on is not yet.
            self.path.with_name("metrics.json").unlink(missing_ok=True)
        self._is_saving = True
        trainer.save_checkpoint(self.path)
        self._is_saving = False
        self._saved_at = clock.now()
        self._save_seconds = self._saved_at - start

    def _stop_if_signalled(self, trainer: pl.Trainer) -> None:
        if self.signals.agree(trainer):
            raise Interrupted(self.signals.received)
