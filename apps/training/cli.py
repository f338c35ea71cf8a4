"""The Lightning CLI of visus: run folders, trusted classes, data_info from the data."""

import sys
from pathlib import Path
from pydoc import locate
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

from visus.apps.parsing import CommandError
from visus.apps.runs import create_run_folder, find_checkpoint
from visus.apps.training.parser_messages import tidy
from visus.apps.training.reporting import RunReport, progress_bar
from visus.models.backbones import accepted_options
from visus.tasks.base import VisionTask
from visus.tasks.checkpoints import load_initial_weights
from visus.tasks.data_info import InputInfo, info_from_data, info_from_plain
from visus.tasks.plain_values import plain
from visus.tasks.registry import task_spec, trusted_packages
from visus.vision.errors import VisusError


class TrainingParser(LightningArgumentParser):
    """Lightning's parser, whose errors are one line with a remedy."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            CommandError: Always.
        """
        options = [option for action in self._actions for option in action.option_strings]
        raise CommandError(tidy(message, ex, options, ", ".join(trusted_packages()))) from ex


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best checkpoint, and of equally good ones the latest.

    Small validation sets give many ties, and under a falling learning rate later weights are
    less noisy.
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
        checkpoint: Content of the checkpoint that the user named, or None.
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
        self.stored = None if checkpoint is None else checkpoint["visus"]
        self.given = {argument.partition("=")[0] for argument in arguments}
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
        """Add `--init_from`, and link the task's `data_info` to the data module."""
        parser.add_argument(
            "--init_from",
            type=str,
            help="a trained model of the same task, whose weights are the initial weights",
        )
        parser.link_arguments(
            "data",
            "model.init_args.data_info",
            compute_fn=self._data_info,
            apply_on="instantiate",
        )

    def before_instantiate_classes(self) -> None:
        """With a checkpoint, refuse other model arguments, and pass its classes to the data."""
        model = self.config.model.init_args
        if self.config.init_from:
            # All weights come from that model.
            model["pretrained"] = False
        self._drop_options_of_another_backbone(model)
        if self.stored is None:
            return
        arguments = self.stored["arguments"]
        for key, value in model.as_dict().items():
            # The weights come from the checkpoint; the file of the initial ones may be gone.
            if key in ("data_info", "pretrained") or key not in arguments:
                continue
            if plain(value) == arguments[key]:
                continue
            raise VisusError(
                f"--model.{key} {value!r} contradicts the checkpoint, which was trained with "
                f"{arguments[key]!r}; leave it out, or train a new model without a checkpoint"
            )
        model["pretrained"] = False
        data = self.config.data.init_args
        trained_on = (self.stored.get("data", {}).get("init_args") or {}).get("root")
        if self.running in ("validate", "test") and "evaluate_all" in data:
            here = Path(data.root).resolve()
            data["evaluate_all"] = here != Path(str(trained_on)).resolve()
        # The checkpoint contains properties that the data module would compute.
        module = locate(self.config.data.class_path)
        for key in getattr(module, "checkpoint_arguments", ()):
            if key in data and key in arguments["data_info"]:
                data[key] = arguments["data_info"][key]

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The trainer with the run folder's loggers, checkpoints and report."""
        if self.config.init_from and self.checkpoint is None:
            # Before the run folder is created: weights that do not match leave none behind.
            self._load_initial_weights(find_checkpoint(self.config.init_from))
        self.folder = create_run_folder(self.model.spec.name, self.run_name)
        chosen = self.config_init.trainer
        callbacks: list[Callback] = [RunReport(self.folder, self.to_store()), *progress_bar()]
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
        """Combine a user's optimiser with the task's schedule, unless one is given too."""
        if lr_scheduler is None and isinstance(lightning_module, VisionTask):
            return lightning_module.with_schedule(optimizer)
        return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)

    def to_store(self) -> dict[str, Any]:
        """What a checkpoint stores beside the task, to be tested or resumed on its own."""
        dumped = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        chosen = {k: v for k, v in dumped["trainer"].items() if v is not None}
        # Where a run writes is its own.
        for key in ("default_root_dir", "logger"):
            chosen.pop(key, None)
        more = {key: dumped[key] for key in ("optimizer", "lr_scheduler") if dumped.get(key)}
        return {
            "name": self.run_name,
            "data": dumped["data"],
            "training": {"trainer": chosen, **more},
        }

    def _load_initial_weights(self, path: Path) -> None:
        """Load the weights of a trained model, and print which tensors do not match."""
        reset = load_initial_weights(self.model, path)
        if reset:
            rank_zero_only(print)(
                f"--init-from: {', '.join(reset)} keep their random initial values, their shapes "
                f"differ from those of {path}",
                file=sys.stderr,
            )

    def _data_info(self, data: object) -> InputInfo:
        spec = task_spec(_task_class(self.config.model.class_path).task)
        if self.stored is not None:
            return info_from_plain(spec.data_info, self.stored["arguments"]["data_info"])
        return info_from_data(spec.data_info, data)

    def _drop_options_of_another_backbone(self, model: Any) -> None:
        """Drop options of the configuration that the backbone of the command line lacks."""
        options = model.get("backbone_options")
        if not options or "--model.backbone" not in self.given:
            return
        if "--model.backbone_options" in self.given:
            return
        # `--model.backbone_options.width 8` adds to the options of the configuration.
        prefix = "--model.backbone_options."
        typed = {each.removeprefix(prefix) for each in self.given if each.startswith(prefix)}
        known = accepted_options(model["backbone"]) | typed
        foreign = sorted(set(options) - known)
        if foreign:
            rank_zero_only(print)(
                f"--model.backbone {model['backbone']}: takes no option {', '.join(foreign)}, "
                "which the configuration sets for another backbone; left out",
                file=sys.stderr,
            )
            kept = {key: value for key, value in options.items() if key in known}
            model["backbone_options"] = kept or None


def _task_class(class_path: str) -> type[VisionTask]:
    task_class = locate(class_path)
    assert isinstance(task_class, type) and issubclass(task_class, VisionTask)
    return task_class
