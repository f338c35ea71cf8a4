"""Continues a run in its folder: its curves, its best metric, its position in an epoch."""

import csv
import io
import math
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.loggers.csv_logs import _ExperimentWriter
from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loops.fit_loop import _FitLoop

from visus.datamodules.core.base import VisionDataModule

METRICS_FILE = "metrics.csv"


class Finished(Exception):
    """A run that is to be resumed has reached its end; the message says how to train longer."""


def run_folder_of(checkpoint: Path) -> Path | None:
    """The folder of the run that continues with a checkpoint.

    None for any other checkpoint than a run's last: what the run did after it is not overwritten.
    """
    folder = checkpoint.parent
    is_run = (folder / "config.yaml").is_file()
    return folder if checkpoint.name == "last.ckpt" and is_run else None


def refuse_finished(
    checkpoint: dict[str, Any], folder: Path | None, limits: dict[str, Any], is_extended: bool
) -> None:
    """Raise if nothing is left to train.

    Args:
        checkpoint: The content of the checkpoint.
        folder: The run's folder, or None for a checkpoint elsewhere.
        limits: The trainer's `max_epochs` and `max_steps`, -1 or None for no limit.
        is_extended: Whether the command line sets a limit, so that a run that ended before its
            limits continues.

    Raises:
        Finished: With the reason, and how to train longer.
    """
    place = folder or "the checkpoint"
    loops = checkpoint["loops"]["fit_loop"]
    if validation_is_next(loops):
        return
    epochs = loops["epoch_progress"]["current"]["processed"]
    steps = checkpoint["global_step"]
    for name, done, unit in (("max_epochs", epochs, "epochs"), ("max_steps", steps, "steps")):
        limit = limits[name]
        if limit is not None and 0 <= limit <= done:
            raise Finished(
                f"{place} is finished: {done} of {limit} {unit}; train longer with "
                f"--trainer.{name} {2 * limit or 1}"
            )
    if folder is not None and (folder / "metrics.json").is_file() and not is_extended:
        limits_it = "--trainer.max_epochs or --trainer.max_time"
        if checkpoint["visus"].get("budget"):
            limits_it = "a larger --budget"
        raise Finished(
            f"{place} is finished: it stopped after {epochs} epochs, {steps} steps; train longer "
            f"with {limits_it}"
        )


def rescale_position(
    checkpoint: dict[str, Any], data: VisionDataModule[Any], accumulated: int
) -> bool:
    """Convert a position within an epoch to the current batch size and number of processes.

    Args:
        checkpoint: The content of the checkpoint, changed in place.
        data: The data module, which is set up.
        accumulated: Number of batches whose gradients are accumulated.

    Returns:
        Whether the position has changed.
    """
    position = checkpoint.get(type(data).__qualname__)
    if not position:
        return False
    batches = len(data.train_batches(data.dataset("train")))
    before, batch = position["batches"], position["batch"]
    if batches == before or batch in (0, before):
        return False
    # Rounded up to whole steps: the learning rate must not rise again.
    steps = math.ceil(batch * batches / before / accumulated)
    current = min(batches - 1, steps * accumulated)
    data.load_state_dict(position | {"batch": current})
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    for key in progress:
        progress[key] += current - batch
    return True


class ContinuedFitLoop(_FitLoop):
    """Lightning's loop of epochs, which resumes a training with `max_steps` as any other.

    Args:
        trainer: The trainer, whose loop is replaced.
    """

    def __init__(self, trainer: pl.Trainer) -> None:
        super().__init__(trainer, trainer.min_epochs, trainer.max_epochs)
        self.epoch_loop = trainer.fit_loop.epoch_loop

    @property
    def done(self) -> bool:
        """Whether the training has ended; a validation that was interrupted comes before."""
        return super().done and not (self.restarting and validation_is_next(self.state_dict()))

    def _iteration_based_training(self) -> bool:
        """Lightning repeats a part of an epoch that had ended if this is true."""
        return False


def validation_is_next(loops: dict[str, Any]) -> bool:
    """Whether a training continues with a validation.

    Args:
        loops: The state of Lightning's loop of epochs.
    """
    progress = loops["epoch_loop.val_loop.batch_progress"]["total"]
    return bool(progress["started"] > progress["processed"])


class ContinuedCSVLogger(CSVLogger):
    """Lightning's CSV logger, which keeps the rows of a run that is resumed.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), name="", version="")

    @property
    @rank_zero_experiment
    def experiment(self) -> _ExperimentWriter:
        """Writes the rows."""
        if self._experiment is None:
            self._experiment = _ContinuedWriter(self.log_dir)
        return self._experiment


class _ContinuedWriter(ExperimentWriter):
    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as file:
                self.metrics_keys = next(csv.reader(file), [])

    def _check_log_dir_exists(self) -> None:
        """Lightning would remove the earlier rows."""


def drop_later_rows(folder: Path, checkpoint: dict[str, Any]) -> None:
    """Remove the rows of `metrics.csv` that the resumed run will log again.

    Args:
        folder: The run folder.
        checkpoint: The content of the checkpoint with which the run continues.
    """
    path = folder / METRICS_FILE
    if not path.is_file():
        return
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        keys, rows = reader.fieldnames or [], list(reader)
    # Neither steps nor positions tell validations between two steps apart.
    state: dict[str, Any] = checkpoint["callbacks"].get("LastCheckpoint", {})
    validations = state.get("validations", len(rows))
    kept = []
    for row in rows:
        if None in row.values() or not row["step"].isdecimal():
            # The process was killed, or the disk full, while the row was written.
            continue
        is_validation = any(key.startswith("val/") and row[key] for key in keys)
        validations -= is_validation
        if validations >= 0 if is_validation else int(row["step"]) < checkpoint["global_step"]:
            kept.append(row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, keys)
    writer.writeheader()
    writer.writerows(kept)
    part = path.with_name(path.name + ".part")
    part.write_text(text.getvalue(), encoding="utf-8", newline="")
    os.replace(part, path)


def data_module_of(trainer: pl.Trainer) -> VisionDataModule[Any]:
    """The trainer's data module; the command line builds no other."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, VisionDataModule)
    return data
