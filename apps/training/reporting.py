"""Writes and prints the results of a run: metrics, tables, images."""

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only
from rich.table import Table

from visus.apps.console import console
from visus.apps.training.callbacks import BestCheckpoint
from visus.datamodules.core.loading import make_loader
from visus.datamodules.core.trained_images import count_training_images, training_hashes
from visus.tasks.base import VisionTask
from visus.tasks.spec import ReportContext
from visus.vision.output_files import write_text
from visus.vision.wording import counted

_MAIN_METRICS = 3
"""Number of metrics in the line of an epoch."""


class RunReport(Callback):
    """Writes `metrics.json` and the task's report into the run folder, and prints the metrics.

    Args:
        folder: The run folder.
        stored: Values that checkpoints store under `visus`, in addition to those of the task.
        trained_images: See `visus.datamodules.core.trained_images.training_hashes`.
    """

    def __init__(
        self, folder: Path, stored: dict[str, Any], trained_images: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.stored = stored
        self.trained_images = trained_images
        self.console = console()
        self.started = time.perf_counter()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the values with which the checkpoint can be tested and resumed on its own."""
        # `BatchSizeFinder` may have found another one.
        batch_size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        self.stored["data"]["init_args"]["batch_size"] = batch_size
        if "trained_images" not in self.stored:
            self.stored["trained_images"] = training_hashes(trainer.datamodule)  # type: ignore[attr-defined]
        checkpoint.setdefault("visus", {}).update(self.stored)

    @rank_zero_only
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the size of the model, the batch size, the learning rate and the run folder."""
        self.started = time.perf_counter()
        data = trainer.datamodule  # type: ignore[attr-defined]
        rates = sorted({group["lr"] for o in trainer.optimizers for group in o.param_groups})
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        # `ReduceLROnPlateau` has none.
        peak = sorted({lr for each in schedulers for lr in getattr(each, "base_lrs", ())})
        task = _as_task(pl_module)
        height, width = task.image_size
        parameters = sum(p.numel() for p in pl_module.parameters())
        self._print(
            f"{task.describe_outputs()}, images of {height} x {width}, "
            f"{parameters / 1e6:.2f} M parameters, "
            f"batch {data.batch_size} x {trainer.world_size} processes, "
            f"learning rate {', '.join(f'{rate:g}' for rate in peak or rates)}",
        )
        if data.flip is None and not data.mirrors:
            self._print("classes are named after sides, or letters: images are not mirrored")
        self._print(f"run folder {self.folder}")
        if any(isinstance(logger, CSVLogger) for logger in trainer.loggers):
            self._print(f"all metrics of the validations: {self.folder / 'metrics.csv'}")
        if data.skipped:
            self._print(f"{counted(data.skipped, 'bad sample')} left out")

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final metrics, and print the best checkpoint and the next commands."""
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        metrics["minutes"] = round((time.perf_counter() - self.started) / 60, 3)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            if isinstance(callback, EarlyStopping) and callback.stopping_reason_message:
                reason = callback.stopping_reason_message.removesuffix("Signaling Trainer to stop.")
                self._print(f"stopped in epoch {callback.stopped_epoch + 1}: {reason.strip()}")
        best = next((each for each in callbacks if isinstance(each, BestCheckpoint)), None)
        score = None if best is None else best.best_model_score
        saved = (self.folder / "best.ckpt").is_file()
        if best is not None and score is not None and math.isfinite(score):
            metrics[f"best_{best.monitor}"] = float(score)
            if saved:
                path = self.folder / "best.ckpt"
                self._print(f"best {best.monitor} {float(score):.4f} in {path}")
        self._write(metrics, None)
        if not saved:
            self._print("no checkpoint was saved")
            return
        if score is None:
            self._print("nothing was validated; best.ckpt holds the weights of the last epoch")
        self._print(
            f"next: visus test {self.folder}, or visus predict {self.folder} IMAGE",
        )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the metrics after `visus validate`, and without a bar those of each epoch."""
        if trainer.state.fn == "validate":
            self._report_evaluation(trainer, pl_module, "val")
        elif not trainer.sanity_checking and not sys.stderr.isatty():
            self._report_epoch(trainer, _as_task(pl_module).monitor[0])

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the metrics and the task's report."""
        self._report_evaluation(trainer, pl_module, "test")

    @rank_zero_only
    def _report_epoch(self, trainer: pl.Trainer, monitor: str) -> None:
        metrics = {k: float(v) for k, v in sorted(trainer.callback_metrics.items())}
        order = dict.fromkeys((monitor, "val/loss", "train/loss", *metrics))
        main = [key for key in order if math.isfinite(metrics.get(key, math.nan))][:_MAIN_METRICS]
        text = "  ".join(f"{key} {metrics[key]:.4f}" for key in main)
        minutes = (time.perf_counter() - self.started) / 60
        endless = trainer.max_epochs is None or trainer.max_epochs < 0
        of = "" if endless else f"/{trainer.max_epochs}"
        self._print(f"epoch {trainer.current_epoch + 1}{of}  {minutes:.1f} min  {text}")

    def _print(self, content: Any) -> None:
        self.console.print(content, soft_wrap=isinstance(content, str))

    @rank_zero_only
    def _report_evaluation(
        self, trainer: pl.Trainer, module: pl.LightningModule, split: str
    ) -> None:
        task = _as_task(module)
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        data = trainer.datamodule  # type: ignore[attr-defined]
        loader: Any = trainer.test_dataloaders if split == "test" else trainer.val_dataloaders
        samples = len(loader.dataset)
        context = ReportContext(
            split,
            samples,
            self.folder,
            metrics,
            lambda name: loader.dataset.image(loader.dataset.index(name)),
            lambda part: make_loader(data.plain_dataset(part), 32, data.num_workers),
        )
        lines = task.spec.report()(task, context)
        shared = split == "test" and tests_on_validation_data(data)
        where = "test, on the validation split" if shared else split
        table = Table("metric", "value", title=f"{where}: {counted(samples, 'sample')}")
        for key, value in sorted(metrics.items()):
            # Those of single classes are in the task's own table.
            if key.count("/") == 1:
                table.add_row(key, f"{value:.4f}" if math.isfinite(value) else "undefined")
        self._print(table)
        if shared:
            self._print(
                "the data has no test split; best.ckpt was chosen by these same samples, so that "
                "its metrics are better than on new ones; those of last.ckpt are not"
            )
        known = count_training_images(data, split, self.trained_images)
        if known:
            self._print(
                f"at least {known} of the {counted(samples, 'sample')} were training samples of "
                "this model, so that its metrics are better than on new ones; test it on others"
            )
        if data.skipped:
            self._print(f"{counted(data.skipped, 'bad sample')} left out")
        for item in lines:
            self._print(item)
        self._write(metrics, trainer.ckpt_path, samples=samples, skipped=data.skipped)

    def _write(self, metrics: dict[str, float], checkpoint: Any, **more: Any) -> None:
        finite = {k: v if math.isfinite(v) else None for k, v in sorted(metrics.items())}
        content: dict[str, Any] = {"metrics": finite, **more}
        if checkpoint:
            content["checkpoint"] = str(Path(str(checkpoint)).resolve())
        text = json.dumps(content, indent=2) + "\n"
        write_text(self.folder / "metrics.json", text)


def tests_on_validation_data(data: Any) -> bool:
    """Whether the test split is the validation split, for want of one in the data."""
    return not getattr(data, "evaluate_all", False) and is_validation_split(data)


def is_validation_split(data: Any) -> bool:
    """Whether the test split has the samples of the validation split."""
    val, test = (data.plain_dataset(split) for split in ("val", "test"))
    if not (hasattr(val, "name") and len(val) == len(test)):
        # Data sets of other classes, such as procedural ones, have no files to share.
        return False
    return all(val.name(i) == test.name(i) for i in range(len(val)))


def _as_task(module: pl.LightningModule) -> VisionTask:
    """The module as a `VisionTask`; the command line builds no other."""
    assert isinstance(module, VisionTask)
    return module
