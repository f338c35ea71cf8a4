"""The Lightning CLI of visus: run folders, trusted classes, data_info from the data."""

import secrets
import sys
from pathlib import Path
from pydoc import locate
from typing import Any, NoReturn

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)

from visus.apps.parsing import CommandError
from visus.apps.runs import create_run_folder, find_checkpoint
from visus.apps.training.averaging import averaged
from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.measuring import Measurer
from visus.apps.training.budget.planned import PlannedTraining, continue_plan, plan_training
from visus.apps.training.callbacks import (
    BestCheckpoint,
    SavedConfig,
    make_serialisable,
    merge_callbacks,
    without_searches,
)
from visus.apps.training.curves import CurvesFile
from visus.apps.training.last_checkpoint import LastCheckpoint, SafeCheckpointIO
from visus.apps.training.model_arguments import drop_options_of_another_backbone, refuse_null
from visus.apps.training.parser_messages import one_line_error
from visus.apps.training.reporting import RunReport
from visus.apps.training.resuming import ContinuedFitLoop, refuse_finished
from visus.apps.training.schedules import schedule_of
from visus.apps.training.time_limit import replace_timers
from visus.apps.training.trainer_checks import (
    check_callbacks,
    check_length,
    check_optimiser,
    check_trainer,
    explain_refusal,
)
from visus.apps.training.trainer_defaults import set_trainer_defaults
from visus.datamodules.core.trained_images import divide_training_data
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import remove_partial_files
from visus.tasks.checkpoints import load_initial_weights
from visus.tasks.compressed import set_channels
from visus.tasks.data_info import InputInfo, info_from_data, info_from_plain
from visus.tasks.plain_values import plain
from visus.tasks.registry import task_spec, trusted_packages
from visus.vision.errors import VisusError

_WRONG = (RuntimeError, TypeError, ValueError)
"""What Lightning raises for wrong arguments beside its own exception."""


class TrainingParser(LightningArgumentParser):
    """Lightning's parser, whose errors are one line with a remedy."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            CommandError: Always.
        """
        options = [option for action in self._actions for option in action.option_strings]
        raise one_line_error(message, ex, options, ", ".join(trusted_packages())) from ex


class VisusCLI(LightningCLI):
    """The Lightning CLI for one subcommand.

    Args:
        running: The subcommand.
        arguments: The command line after it.
        run_name: Second part of the run folder's path.
        checkpoint: Content of the checkpoint that the user named, or None.
        resumed: The folder of the run that is continued, or None for a new one.
        budget: The time budget, or None.

    Attributes:
        folder: The run folder.
        last: Saves `last.ckpt`, in `fit`.
        planned: The plan for the time budget, if there is one.

    Raises:
        Finished: If nothing is left to train.
    """

    def __init__(
        self,
        running: str,
        arguments: list[str],
        run_name: str,
        checkpoint: dict[str, Any] | None,
        resumed: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.running = running
        self.budget = budget
        self.planned: PlannedTraining | None = None
        self._measurer: Measurer | None = None
        self.run_name = run_name
        self.checkpoint = checkpoint
        self.resumed = resumed
        self.last: LastCheckpoint | None = None
        self.stored = None if checkpoint is None else checkpoint["visus"]
        self.given = {argument.partition("=")[0] for argument in arguments}
        super().__init__(
            VisionTask,
            pl.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            save_config_callback=SavedConfig,
            save_config_kwargs={"folder": lambda: self.folder},
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
        parser.add_argument("--tune", type=dict, help="the search space of visus tune; unused here")
        parser.link_arguments(
            "data",
            "model.init_args.data_info",
            compute_fn=self._data_info,
            apply_on="instantiate",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; callbacks of the command line are added to those of the configuration."""
        make_serialisable()
        super().parse_arguments(parser, args)
        seed = self.config.seed_everything
        if not isinstance(seed, bool) and not 0 <= seed < 2**32:
            raise CommandError(f"--seed_everything {seed} must be at least 0 and below 2**32")
        callbacks = self.config.trainer.callbacks
        if isinstance(callbacks, list):
            self.config.trainer.callbacks = merge_callbacks(callbacks, args)

    def before_instantiate_classes(self) -> None:
        """With a checkpoint, refuse other model arguments, and pass its classes to the data."""
        model = self.config.model.init_args
        check_optimiser(self.config, self.given)
        if self.config.init_from:
            # All weights come from that model.
            model["pretrained"] = False
        refuse_null(self.config)
        drop_options_of_another_backbone(model, self.given)
        if self.config.seed_everything is False:
            # Drawn here, so that the run can be resumed.
            self.config["seed_everything"] = pl.seed_everything(secrets.randbelow(2**31))
        if self.checkpoint is None or self.stored is None:
            if self.budget is not None:
                self.planned, self._measurer = plan_training(self.config, self.given, self.budget)
            return
        arguments = self.stored["arguments"]
        for key, value in model.as_dict().items():
            # The weights come from the checkpoint; the file of the initial ones may be gone.
            is_free = key in ("data_info", "pretrained") or key not in arguments
            if is_free or plain(value) == arguments[key]:
                continue
            raise VisusError(
                f"--model.{key} {value!r} contradicts the checkpoint, which was trained with "
                f"{arguments[key]!r}; leave it out, or train a new model without a checkpoint"
            )
        if self.running == "fit":
            plan, trainer = self.stored.get("budget"), self.config.trainer
            self.planned = continue_plan(plan, self.budget, self.given, trainer)
            longer = any(option.startswith("--trainer.max_") for option in self.given)
            refuse_finished(self.checkpoint, self.resumed, trainer, longer or bool(self.budget))
        model["pretrained"] = False
        data = self.config.data.init_args
        trained_on = (self.stored.get("data", {}).get("init_args") or {}).get("root")
        if self.running in ("validate", "test") and "evaluate_all" in data:
            data["evaluate_all"] = Path(data.root).resolve() != Path(str(trained_on)).resolve()
        # The checkpoint contains properties that the data module would compute.
        module = locate(self.config.data.class_path)
        for key in getattr(module, "checkpoint_arguments", ()):
            if key in data and key in arguments["data_info"]:
                data[key] = arguments["data_info"][key]

    def _add_configure_optimizers_method_to_model(self, subcommand: str | None) -> None:
        """Build the user's optimiser and scheduler; their errors do not name the options."""
        try:
            super()._add_configure_optimizers_method_to_model(subcommand)
        except (TypeError, ValueError) as error:
            keys = [key for key in ("optimizer", "lr_scheduler") if self.config[key]]
            names = [f"--{key} {self.config[key].class_path.rpartition('.')[2]}" for key in keys]
            raise VisusError(f"{', '.join(names)}: {error}") from error

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The trainer with the run folder's loggers, checkpoints and report."""
        set_channels(self.model, (self.stored or {}).get("channels", {}))
        if self.config.init_from and self.checkpoint is None:
            # Before the run folder is created: weights that do not match leave none behind.
            self._load_initial_weights(find_checkpoint(self.config.init_from))
        chosen = self.config_init.trainer
        users = chosen["callbacks"] or []
        users = [users] if isinstance(users, Callback) else users
        check_trainer(vars(chosen))
        if self.running == "fit":
            check_length(vars(chosen))
            check_callbacks(self.model, users, self.config.lr_scheduler, vars(chosen))
        if self.planned is not None:
            users = [*users, *self.planned.callbacks(users)]
        self.folder = self.resumed or create_run_folder(self.model.spec.name, self.run_name)
        hashes = (self.stored or {}).get("trained_images", ())
        report = RunReport(self.folder, self.to_store(), hashes)
        callbacks: list[Callback] = [report, CurvesFile(self.folder)]
        # `fast_dev_run` only tries the code.
        saves = self.running == "fit" and not chosen["fast_dev_run"]
        chosen["enable_checkpointing"] = saves
        if saves:
            remove_partial_files(self.folder)
            own = chosen["plugins"] or []
            chosen["plugins"] = [*(own if isinstance(own, list) else [own]), SafeCheckpointIO()]
            metric, mode = self.model.monitor
            best = BestCheckpoint(
                self.folder, "best", metric, mode=mode, enable_version_counter=False
            )
            self.last = LastCheckpoint(self.folder)
            callbacks[:0] = [best, self.last]
        chosen["callbacks"] = [*users, *callbacks]
        set_trainer_defaults(chosen, self.folder, self.checkpoint if self.resumed else None)
        try:
            trainer: pl.Trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ImportError, *_WRONG) as error:
            if self.resumed is None and self.folder.exists():
                self.folder.rmdir()
            raise explain_refusal(error, vars(chosen)) from error
        if self.planned is not None:
            self.planned.report(self.folder)
        trainer.fit_loop = ContinuedFitLoop(trainer)
        trainer.callbacks = averaged(replace_timers(trainer.callbacks))  # type: ignore[attr-defined]
        return trainer

    @staticmethod
    def configure_optimizers(
        lightning_module: pl.LightningModule, optimizer: Any, lr_scheduler: Any = None
    ) -> Any:
        """Combine a user's optimiser with the user's schedule, or else that of the task."""
        if lr_scheduler is None and isinstance(lightning_module, VisionTask):
            return lightning_module.with_schedule(optimizer)
        schedule = schedule_of(lr_scheduler, lightning_module.trainer)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def to_store(self) -> dict[str, Any]:
        """What a checkpoint stores beside the task, to be tested or resumed on its own."""
        dumped = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        # With every None: `check_val_every_n_epoch` has another default.
        chosen = dumped["trainer"]
        # Where a run writes is its own.
        for key in ("default_root_dir", "logger"):
            del chosen[key]
        chosen["callbacks"] = without_searches(chosen.get("callbacks") or [])
        more = {key: dumped[key] for key in ("optimizer", "lr_scheduler") if dumped.get(key)}
        training = {"seed_everything": dumped["seed_everything"], "trainer": chosen, **more}
        budget = {} if self.planned is None else {"budget": self.planned.to_plain()}
        return {"name": self.run_name, "data": dumped["data"], "training": training, **budget}

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
            divide_training_data(data, self.stored.get("trained_images", ()))
            return info_from_plain(spec.data_info, self.stored["arguments"]["data_info"])
        if self._measurer is not None:
            self._measurer.share_listing(data)
        return info_from_data(spec.data_info, data)


def _task_class(class_path: str) -> type[VisionTask]:
    task_class = locate(class_path)
    assert isinstance(task_class, type) and issubclass(task_class, VisionTask)
    return task_class
