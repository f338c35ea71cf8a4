"""Draws the curves of a training, `curves.png` in the run folder."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only

from visus.tasks.base import VisionTask
from visus.vision.output_files import replacing

CURVES_FILE = "curves.png"

_TRAIN_LOSS, _LOSS, _RATE = "train/loss", "val/loss", "learning rate"
_MAX_METRICS = 4
_COLUMNS = 3


class CurvesFile(Callback):
    """Draws losses, the main metrics and the learning rate of each epoch when a training ends.

    An interrupted training leaves the curves of its epochs, and a resumed one continues them.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CURVES_FILE
        self._epochs: list[dict[str, float]] = []
        self._loss: Any = 0.0
        self._batches = 0
        self._metrics: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """The epochs so far, and the sum of the losses of the current one."""
        loss = float(self._loss)
        return {"epochs": list(self._epochs), "loss": loss, "batches": self._batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the curves of a checkpoint."""
        self._epochs = list(state_dict["epochs"])
        self._loss, self._batches = state_dict["loss"], state_dict["batches"]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add the loss, on its device: to wait for it would slow down the training."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor):
            # Lightning has divided it by the number of batches of a step.
            self._loss = self._loss + loss.detach() * trainer.accumulate_grad_batches
            self._batches += 1

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the metrics of the last validation of the epoch."""
        if not trainer.sanity_checking:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            # Those of single classes have two slashes.
            self._metrics = {
                name: value
                for name, value in metrics.items()
                if name.startswith("val/") and name.count("/") == 1
            }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Complete the metrics of the epoch."""
        epoch = {"epoch": float(trainer.current_epoch + 1), **self._metrics}
        if self._batches:
            epoch[_TRAIN_LOSS] = float(self._loss) / self._batches
        rates = [group["lr"] for each in trainer.optimizers for group in each.param_groups]
        if rates:
            epoch[_RATE] = float(max(rates))
        self._epochs.append(epoch)
        self._loss, self._batches, self._metrics = 0.0, 0, {}

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the curves."""
        if self._epochs and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            assert isinstance(pl_module, VisionTask)
            draw_training(self.path, self._epochs, *pl_module.monitor)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Draw the curves of the epochs before an interruption."""
        if trainer.state.fn == "fit":
            self.on_fit_end(trainer, pl_module)


def draw_training(path: Path, epochs: list[dict[str, float]], monitor: str, mode: str) -> None:
    """Draw the curves of a training.

    Args:
        path: The PNG file.
        epochs: The metrics of each epoch by name, with its number as `epoch`.
        monitor: The metric by which the best epoch is chosen; its best value is marked.
        mode: Whether that is the `max` or the `min`.

    Raises:
        VisusError: If the file cannot be written.
    """
    # Imported late: it takes a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = _choose_panels(epochs, monitor)
    rows = -(-len(panels) // _COLUMNS)
    page = Figure(figsize=(4 * _COLUMNS, 3 * rows), dpi=100, layout="constrained")
    marker = "o" if len(epochs) <= 30 else ""
    for i, (title, names) in enumerate(panels.items()):
        axes = page.add_subplot(rows, _COLUMNS, i + 1)
        for name in names:
            points = [(each["epoch"], each[name]) for each in epochs if name in each]
            points = [point for point in points if math.isfinite(point[1])]
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, label=name)
            if points and name == monitor:
                x, best = (max if mode == "max" else min)(points, key=lambda point: point[1])
                axes.plot(x, best, "o", color="tab:red", markersize=6)
                title = f"{name}: best {best:.4g} in epoch {x:.0f}"
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(min(epochs[0]["epoch"], 1) - 0.5, epochs[-1]["epoch"] + 0.5)
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend(fontsize=8)
    with replacing(path) as part:
        FigureCanvasAgg(page)
        page.savefig(part, format="png")


def _choose_panels(epochs: list[dict[str, float]], monitor: str) -> dict[str, list[str]]:
    """The names of the curves in each panel: losses, the main metrics, the learning rate."""
    known = {name for epoch in epochs for name, value in epoch.items() if math.isfinite(value)} - {
        "epoch"
    }
    losses = [name for name in (_TRAIN_LOSS, _LOSS) if name in known]
    metrics = sorted(known - {_TRAIN_LOSS, _LOSS, _RATE}, key=lambda name: (name != monitor, name))
    panels = {"loss": losses} if losses else {}
    panels |= {name: [name] for name in metrics[:_MAX_METRICS]}
    return panels | ({_RATE: [_RATE]} if _RATE in known else {})
