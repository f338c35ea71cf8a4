"""The Lightning CLI with the house's rules: run folders, trusted classes, facts from the data."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)

from visus.apps.cli import CommandError
from visus.apps.training.parser_messages import tidy
from visus.apps.training.reporting import RunReport, progress_bar
from visus.apps.runs import create_run_folder, find_checkpoint
from visus.tasks.base import VisionTask, plain
from visus.tasks.checkpoints import begin_with
from visus.vision.errors import VisusError

TRUSTED_PACKAGES = ["tasks", "datamodules", "torch.optim", "pytorch_lightning"]
"""The only packages from which a `class_path` may name a class, unless the user allows more."""

# What the data know and the task needs; with a checkpoint, the checkpoint's own.
FACTS = (
    "class_names",
    "image_size",
    "in_channels",
    "fit_mode",
    "multi_label",
    "class_counts",
    "class_colours",
    "anchors",
    "masks",
    "people_count",
    "max_words",
    "face_model",
    "landmarks",
    "model_digest",
    "components",
    "expressions",
)
# Of these, what a checkpoint tells the data before they look at the disk.
_TOLD_TO_DATA = ("class_names", "image_size", "fit_mode", "multi_label", "in_channels")


class TrainingParser(LightningArgumentParser):
    """Lightning's parser, whose errors are one line with a remedy."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            CommandError: Always.
        """
        options = [option for action in self._actions for option in action.option_strings]
        raise CommandError(tidy(message, ex, options, ", ".join(TRUSTED_PACKAGES))) from ex


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint, and of equally good ones the latest.

    Small validation sets give many ties, and under a falling learning rate later weights are
    steadier.
    """

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Whether the current figure is at least as good as the best."""
        ties = current is not None and current == self.best_model_score
        return bool(ties) or super().check_monitor_top_k(trainer, current)


class VisusCLI(LightningCLI):
    """The Lightning CLI for one subcommand.

    Args:
        running: The subcommand.
        arguments: The command line after it.
        run_name: Second part of the run folder's path.
        checkpoint: What the checkpoint given by the user holds, or None.
    """

    def __init__(
        self,
        running: str,
        arguments: list[str],
        run_name: str,
        checkpoint: dict[str, Any] | None,
    ) -> None:
        self.running = running
        self.run_name = run_name
        self.checkpoint = checkpoint
        super().__init__(
            VisionTask,
            pl.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            parser_class=TrainingParser,
            parser_kwargs={"allow_abbrev": False, "prog": f"visus {running}"},
            args=arguments,
            run=False,
            load_from_checkpoint_support=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Hand the data's facts to the task, so that nobody has to repeat them."""
        parser.add_argument("--ckpt_path", type=str, help="a checkpoint to go on from")
        parser.add_argument(
            "--start",
            type=str,
            help="a trained model of the same task, whose weights to begin with",
        )
        for fact in FACTS:
            parser.link_arguments(
                "data",
                f"model.init_args.{fact}",
                compute_fn=lambda data, fact=fact: self._fact(data, fact),
                apply_on="instantiate",
            )

    def before_instantiate_classes(self) -> None:
        """With a checkpoint, refuse other arguments of the model, and tell the data its classes."""
        if self.config.start:
            # All weights come from there.
            self.config.model.init_args["pretrained"] = False
        if self.checkpoint is None:
            return
        arguments = self.checkpoint["visus"]["arguments"]
        chosen = self.config.model.init_args.as_dict()
        for key, value in chosen.items():
            # The weights come from the checkpoint; the file they began from may be gone.
            if key in (*FACTS, "pretrained") or key not in arguments:
                continue
            if plain(value) == arguments[key]:
                continue
            raise VisusError(
                f"--model.{key} {value!r} contradicts the checkpoint, which was trained with "
                f"{arguments[key]!r}; leave it out, or train a new model without --ckpt_path"
            )
        self.config.model.init_args["pretrained"] = False
        trained_on = self.checkpoint["visus"].get("data", {}).get("init_args", {}).get("root")
        if self.running in ("validate", "test") and "evaluate_all" in self.config.data.init_args:
            here = Path(self.config.data.init_args.root).resolve()
            self.config.data.init_args["evaluate_all"] = here != Path(str(trained_on)).resolve()
        for key in _TOLD_TO_DATA:
            if key in self.config.data.init_args:
                self.config.data.init_args[key] = arguments[key]

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The trainer with the run folder's loggers, checkpoints and report."""
        if self.config.start and self.checkpoint is None:
            # Before there is a folder: a start that does not fit leaves none behind.
            self._begin(find_checkpoint(self.config.start))
        self.folder = create_run_folder(self.model.task, self.run_name)
        chosen = self.config_init.trainer
        callbacks: list[Callback] = [RunReport(self.folder, self.stored()), *progress_bar()]
        chosen["enable_checkpointing"] = self.running == "fit"
        if self.running == "fit":
            metric, mode = self.model.monitor
            best = BestCheckpoint(
                self.folder,
                filename="best",
                monitor=metric,
                mode=mode,
                enable_version_counter=False,
            )
            # Lightning's own `save_last` writes only when the best one changes.
            last = ModelCheckpoint(self.folder, filename="last", enable_version_counter=False)
            callbacks[:0] = [best, last]
        chosen["callbacks"] = [*(chosen["callbacks"] or []), *callbacks]
        if chosen["logger"] is None:
            chosen["logger"] = [
                CSVLogger(self.folder, name="", version=""),
                TensorBoardLogger(self.folder, name="", version=""),
            ]
        if chosen["enable_progress_bar"] is None:
            chosen["enable_progress_bar"] = sys.stderr.isatty()
        if chosen["enable_model_summary"] is None:
            chosen["enable_model_summary"] = False
        chosen["default_root_dir"] = chosen["default_root_dir"] or str(self.folder)
        # The data modules shard by themselves: Lightning's sampler would count samples twice.
        chosen["use_distributed_sampler"] = False
        try:
            trainer: pl.Trainer = super().instantiate_trainer(**kwargs)
        except MisconfigurationException as error:
            self.folder.rmdir()
            raise VisusError(
                f"--trainer.accelerator {chosen['accelerator']!r} with --trainer.devices "
                f"{chosen['devices']!r}: {error}; visus doctor lists this machine's devices"
            ) from error
        return trainer

    @staticmethod
    def configure_optimizers(
        lightning_module: pl.LightningModule, optimizer: Any, lr_scheduler: Any = None
    ) -> Any:
        """An optimiser of the user's choice keeps the task's schedule unless they chose one too."""
        if lr_scheduler is None and isinstance(lightning_module, VisionTask):
            return lightning_module.with_schedule(optimizer)
        return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)

    def stored(self) -> dict[str, Any]:
        """What the checkpoint needs beside the task to be tested or resumed by itself."""
        dumped = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        return {"name": self.run_name, "data": dumped["data"]}

    def _begin(self, path: Path) -> None:
        """Give the task the weights of a trained model, and say which tensors begin anew."""
        anew = begin_with(self.model, path)
        if anew:
            rank_zero_only(print)(
                f"--start: {', '.join(anew)} begin anew, their shapes differ from those of {path}",
                file=sys.stderr,
            )

    def _fact(self, data: object, fact: str) -> Any:
        if self.checkpoint is not None:
            return self.checkpoint["visus"]["arguments"].get(fact)
        # A task takes no facts but its own, so that others may be missing.
        return plain(getattr(data, fact, None))
