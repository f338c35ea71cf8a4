"""Callbacks of a training: its best checkpoint, and those that the user adds."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from jsonargparse import Namespace
from jsonargparse.typing import register_type
from lightning_utilities.core.enums import StrEnum
from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint, and of equally good ones the latest.

    Small validation sets give many ties, and under a falling learning rate later weights are
    less noisy. A training without any validation leaves its last weights.
    """

    measured = False
    _broadcast: Callable[[bool], bool] = staticmethod(bool)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find the folder; `load_state_dict` follows."""
        super().setup(trainer, pl_module, stage)
        self._broadcast = trainer.strategy.broadcast

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the best metric, also in a run folder that was moved.

        Without the checkpoint that belongs to it, the next one is the best.
        """
        assert self.dirpath is not None
        folder = Path(self.dirpath)

        def moved(path: str) -> str:
            return str(folder / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        state = state_dict | {name: moved(state_dict.get(name, "")) for name in paths}
        state["best_k_models"] = {
            moved(path): value for path, value in state_dict.get("best_k_models", {}).items()
        }
        is_there = bool(state["best_model_path"]) and Path(state["best_model_path"]).exists()
        # All processes compare with the same metric.
        if self._broadcast(is_there):
            super().load_state_dict(state | {"dirpath": self.dirpath})

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Whether the current metric is at least as good as the best."""
        ties = current is not None and current == self.best_model_score
        return bool(ties) or super().check_monitor_top_k(trainer, current)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the metric of every validation, at the end of an epoch after the others."""
        if self._should_skip_saving_checkpoint(trainer):
            return
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self.measured = True
        else:
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the checkpoint if its metric is the best; an epoch without validation has none."""
        if self.measured:
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
        self.measured = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last weights if nothing was measured."""
        if not self._should_skip_saving_checkpoint(trainer) and self.best_model_score is None:
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))


class SavedConfig(SaveConfigCallback):
    """Writes `config.yaml` into the run folder, whichever logger is used.

    Args:
        parser: The parser of the command line.
        config: The configuration.
        folder: Returns the run folder.
    """

    def __init__(
        self, parser: LightningArgumentParser, config: Namespace, folder: Callable[[], Path]
    ) -> None:
        super().__init__(parser, config, overwrite=True, save_to_log_dir=False)
        self._folder = folder

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write it."""
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = str(folder / self.config_filename)
        self.parser.save(
            self.config, path, skip_none=False, overwrite=True, multifile=self.multifile
        )


def merge_callbacks(callbacks: Sequence[Any], arguments: Iterable[str]) -> list[Any]:
    """The callbacks of the configuration and those of the command line.

    One of the command line replaces those of the same class in the configuration.

    Args:
        callbacks: Objects with a `class_path`, those of the command line last.
        arguments: The command line, with callbacks as `parse_arguments` writes them.
    """
    count = 0
    for word in arguments:
        option, _, value = word.partition("=")
        if option == "--trainer.callbacks+":
            content = yaml.safe_load(value)
            count += len(content) if isinstance(content, list) else 1
    split = max(0, len(callbacks) - count)
    typed = callbacks[split:]
    replaced = {each["class_path"] for each in typed}
    return [each for each in callbacks[:split] if each["class_path"] not in replaced] + [*typed]


def make_serialisable() -> None:
    """Let configurations and checkpoints store the default values of Lightning's callbacks."""
    register_type(torch.device, str, fail_already_registered=False)
    yaml.SafeDumper.add_multi_representer(
        StrEnum, lambda dumper, item: dumper.represent_str(str(item.value))
    )


def without_searches(callbacks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The callbacks of a run that is resumed: what was searched for before it has been found.

    Args:
        callbacks: Objects with a `class_path`.
    """
    searches = (LearningRateFinder.__name__, BatchSizeFinder.__name__)
    return [each for each in callbacks if each["class_path"].rpartition(".")[2] not in searches]
