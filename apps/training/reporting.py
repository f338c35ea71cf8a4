"""What a run leaves behind and tells: figures, tables, pictures, predictions."""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.utilities import rank_zero_only
from rich.table import Table

from visus.apps.console import console
from visus.tasks.base import VisionTask

Reporter = Callable[[Any, str, Any, Path, dict[str, float]], list[Table | str]]
"""From a task that was measured, the split, its data set, the run folder and the figures, to which
it may add, to what shall be printed; pictures go into the folder."""


def reporter(task: str) -> Reporter:
    """The function that reports on a task."""
    if task == "captioning":
        from visus.tasks.captioning.report import report_captioning

        return report_captioning
    if task == "detection":
        from visus.tasks.detection.report import report_detection

        return report_detection
    if task == "face3d":
        from visus.tasks.face3d.report import report_face3d

        return report_face3d
    if task == "face_recognition":
        from visus.tasks.face_recognition.report import report_face_recognition

        return report_face_recognition
    if task == "segmentation":
        from visus.tasks.segmentation.report import report_segmentation

        return report_segmentation
    from visus.tasks.classification.report import report_classification

    return report_classification


def progress_bar() -> list[Callback]:
    """Lightning's rich bar on a terminal, and a line an epoch elsewhere (see `RunReport`)."""
    return [RichProgressBar()] if sys.stderr.isatty() else []


class RunReport(Callback):
    """Writes `metrics.json`, pictures and predictions into the run folder, and prints the figures.

    Args:
        folder: The run folder.
        stored: What checkpoints shall carry under `visus` beside what the task writes.
    """

    def __init__(self, folder: Path, stored: dict[str, Any]) -> None:
        self.folder = folder
        self.stored = stored
        self.console = console()
        self.started = time.perf_counter()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what lets the checkpoint be tested and resumed by itself."""
        class_path = f"tasks.{type(pl_module).__name__}"
        checkpoint.setdefault("visus", {}).update(self.stored | {"class_path": class_path})

    @rank_zero_only
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what is about to be trained, and at which learning rate."""
        self.started = time.perf_counter()
        data = trainer.datamodule  # type: ignore[attr-defined]
        rates = sorted({group["lr"] for o in trainer.optimizers for group in o.param_groups})
        peak = sorted({lr for s in trainer.lr_scheduler_configs for lr in s.scheduler.base_lrs})
        task = _as_task(pl_module)
        height, width = task.image_size
        parameters = sum(p.numel() for p in pl_module.parameters())
        people = getattr(data, "people_count", None)
        noun = "words" if task.task == "captioning" else "classes"
        kinds = f"{people} people" if people else f"{len(task.class_names)} {noun}"
        numbers = getattr(task, "number_names", None)
        kinds = f"{len(numbers)} numbers of a face" if numbers else kinds
        self._print(
            f"{kinds}, pictures of {height} x {width}, "
            f"{parameters / 1e6:.2f} M parameters, "
            f"batch {data.batch_size} x {trainer.world_size} processes, "
            f"learning rate {', '.join(f'{rate:g}' for rate in peak or rates)}",
        )
        self._print(f"run folder {self.folder}")
        if data.skipped:
            self._print(f"{data.skipped} bad samples were left out")

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the final figures, and say where the weights are and what comes next."""
        best = trainer.checkpoint_callback
        score = getattr(best, "best_model_score", None)
        figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
        figures["minutes"] = round((time.perf_counter() - self.started) / 60, 3)
        monitored = _as_task(pl_module).monitor[0]
        if score is not None:
            figures[f"best_{monitored}"] = float(score)
            self._print(f"best {monitored} {float(score):.4f} in {self.folder / 'best.ckpt'}")
        self._write(figures, None)
        self._print(
            f"next: visus test {self.folder}, or visus infer {self.folder} PICTURE",
        )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the figures after `visus validate`, and without a bar those of each epoch."""
        if trainer.state.fn == "validate":
            self._tell_evaluation(trainer, pl_module, "val")
        elif not trainer.sanity_checking and not sys.stderr.isatty():
            self._tell_epoch(trainer)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the figures and what else the task reports."""
        self._tell_evaluation(trainer, pl_module, "test")

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Append the batch's predictions to the run folder's JSON Lines."""
        rank = f"-{trainer.global_rank}" if trainer.world_size > 1 else ""
        with (self.folder / f"predictions{rank}.jsonl").open("a", encoding="utf-8") as file:
            for source, prediction, fit in zip(batch["source"], outputs, batch["fit"], strict=True):
                height, width = fit.source_size
                entry = {"source": source, "width": width, "height": height}
                file.write(json.dumps({**entry, **prediction.to_json()}) + "\n")

    @rank_zero_only
    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say where the predictions are."""
        self._print(f"predictions in {self.folder}")

    @rank_zero_only
    def _tell_epoch(self, trainer: pl.Trainer) -> None:
        figures = {k: float(v) for k, v in trainer.callback_metrics.items()}
        told = "  ".join(f"{key} {value:.4f}" for key, value in sorted(figures.items()))
        minutes = (time.perf_counter() - self.started) / 60
        self._print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {minutes:.1f} min  {told}"
        )

    def _print(self, content: Any) -> None:
        self.console.print(content, soft_wrap=isinstance(content, str))

    @rank_zero_only
    def _tell_evaluation(self, trainer: pl.Trainer, module: pl.LightningModule, split: str) -> None:
        task = _as_task(module)
        figures = {key: float(value) for key, value in trainer.callback_metrics.items()}
        data = trainer.datamodule  # type: ignore[attr-defined]
        loader: Any = trainer.test_dataloaders if split == "test" else trainer.val_dataloaders
        samples = len(loader.dataset)
        told = reporter(task.task)(task, split, loader.dataset, self.folder, figures)
        table = Table("figure", "value", title=f"{split}: {samples} samples")
        for key, value in sorted(figures.items()):
            # Those of single classes stand in the task's own table.
            if key.count("/") == 1:
                table.add_row(key, f"{value:.4f}" if math.isfinite(value) else "undefined")
        self._print(table)
        if data.skipped:
            self._print(f"{data.skipped} bad samples were left out")
        for item in told:
            self._print(item)
        self._write(figures, trainer.ckpt_path, samples=samples, skipped=data.skipped)

    def _write(self, figures: dict[str, float], checkpoint: Any, **more: Any) -> None:
        finite = {k: v if math.isfinite(v) else None for k, v in sorted(figures.items())}
        content: dict[str, Any] = {"metrics": finite, **more}
        if checkpoint:
            content["checkpoint"] = str(Path(str(checkpoint)).resolve())
        text = json.dumps(content, indent=2) + "\n"
        (self.folder / "metrics.json").write_text(text, encoding="utf-8")


def _as_task(module: pl.LightningModule) -> VisionTask:
    """The module, known to be one of ours: the command line builds no other."""
    assert isinstance(module, VisionTask)
    return module
