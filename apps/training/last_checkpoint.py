"""Saves `last.ckpt`, from which an interrupted training continues exactly, and stops at signals."""

import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint, StochasticWeightAveraging

from visus.apps.training.resuming import data_module_of, rescale_position
from visus.tasks.checkpoint_files import write_checkpoint


class Interrupted(Exception):
    """A training stopped at a signal; `last.ckpt` holds its state.

    Args:
        signal_number: The signal.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal.Signals(signal_number).name)


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's writing of checkpoints, by `write_checkpoint`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """See `visus.tasks.checkpoint_files.write_checkpoint`."""
        write_checkpoint(checkpoint, Path(path))


class LastCheckpoint(Checkpoint):
    """Saves `last.ckpt` before every validation and after every epoch, and when a signal arrives.

    SIGTERM and Ctrl+C (SIGINT) stop the training after the current batch; a second one stops it at
    once. A validation is not saved in its middle: it starts again when the training is resumed.

    Args:
        folder: The run folder.

    Attributes:
        received: The number of the signal that was received, or 0.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "last.ckpt"
        self.received = 0
        self._validation_is_next = False
        self._stops = False
        self._epoch_figures: dict[str, float] = {}

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle signals."""
        self._handle_signals()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle signals, and do the step of `ReduceLROnPlateau` that follows an epoch."""
        self._handle_signals()
        for config in trainer.lr_scheduler_configs:
            is_next = trainer.current_epoch % config.frequency == 0
            if config.reduce_on_plateau and is_next and config.monitor in self._epoch_figures:
                config.scheduler.step(self._epoch_figures[config.monitor])  # type: ignore[arg-type]
        self._epoch_figures = {}

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
        if self._is_stopped(trainer) and not (
            loop._should_accumulate()
            or loop._num_ready_batches_reached()
            or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]
        ):
            self._save(trainer)
            self._stops = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop if the state was saved after the batch before, whose figures are logged by now."""
        if self._stops:
            raise Interrupted(self.received)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state from which a resumed training starts with this validation."""
        if trainer.state.fn != "fit":
            return
        if not trainer.sanity_checking:
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
        """Stop after a signal."""
        self._stop_if_signalled(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state after the epoch.

        Lightning lets `ReduceLROnPlateau` make its step after this hook, which is the last one of
        an epoch; the figures are saved, so that a resumed training can make it.
        """
        figures = trainer.callback_metrics
        self._epoch_figures = {name: float(value) for name, value in figures.items()}
        self._save(trainer)
        self._epoch_figures = {}
        self._stop_if_signalled(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the average of the weights, which this callback only now puts in their place."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(each, StochasticWeightAveraging) for each in callbacks):
            self._save(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The figures of an epoch whose last step of `ReduceLROnPlateau` is missing."""
        return {"epoch_figures": self._epoch_figures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""
        self._epoch_figures = dict(state_dict["epoch_figures"])

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Mark a validation that has not begun as begun, which makes Lightning run it first."""
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
        rescale_position(checkpoint, data_module_of(trainer))

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Save the state if the data ended between two batches, since a loading process died.

        A signal to the whole process group, or the system's lack of memory, ends such processes.
        """
        batches = trainer.fit_loop.epoch_loop.batch_progress.current
        if trainer.training and worker_death(exception) and batches.ready == batches.completed:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        # The curves up to this state: a killed process writes no more of them.
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path)

    def _handle_signals(self) -> None:
        """Replace Lightning's handlers, after which a stopped step is lost; it restores others."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number

    def _is_stopped(self, trainer: pl.Trainer) -> bool:
        """Whether any process has received a signal; all must stop after the same batch."""
        if trainer.world_size > 1:
            received = torch.tensor(self.received, device=trainer.strategy.root_device)
            self.received = int(trainer.strategy.reduce(received, reduce_op="max"))
        return bool(self.received)

    def _stop_if_signalled(self, trainer: pl.Trainer) -> None:
        if self._is_stopped(trainer):
            raise Interrupted(self.received)


def worker_death(error: BaseException) -> bool:
    """Whether an error of PyTorch's loader says that one of its processes died."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker (pid")
