"""A planned training: from the configuration and the budget to the changed configuration."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, WeightAveraging
from pytorch_lightning.utilities import rank_zero_only
from rich.table import Table

from visus.apps.console import console
from visus.apps.launched import launched_processes
from visus.apps.parsing import CommandError
from visus.apps.training.averaging import recent_average
from visus.apps.training.budget.callbacks import (
    BudgetTimer,
    CachedViews,
    GrowingImages,
    HeadFirst,
    PartialValidation,
    ThreadAdapter,
)
from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.measuring import Measurer
from visus.apps.training.budget.plan import Plan
from visus.apps.training.budget.planner import make_plan
from visus.vision.output_files import write_text

PLAN_FILE = "plan.json"

_LEAST = 0.2
"""Fraction of the budget that must be left for training."""

_LENGTHS = ("max_time", "max_epochs", "min_epochs", "max_steps", "min_steps")
_PLANNED = ("check_val_every_n_epoch", "val_check_interval")


def refuse_lengths(given: Collection[str]) -> None:
    """Refuse options that also say how long to train.

    Args:
        given: The options of the command line.

    Raises:
        CommandError: If there is one.
    """
    for name in (*_LENGTHS, *_PLANNED):
        if f"--trainer.{name}" in given:
            raise CommandError(
                f"--trainer.{name} with --budget: the budget decides it; leave one of the two out"
            )


def use_one_device(trainer: Any) -> None:
    """Let a trainer use one device: the schedule follows the clock, and each process has its own.

    Args:
        trainer: The arguments of the trainer, which are changed.

    Raises:
        CommandError: If several are chosen.
    """
    nodes, devices = launched_processes() or (trainer.num_nodes, trainer.devices)
    if devices == "auto":
        trainer.devices = devices = 1
    if nodes != 1 or _count_devices(devices) != 1:
        raise CommandError(
            f"--budget: trains on one device, not on {devices} of each of {nodes} nodes; leave "
            "--trainer.devices out, or give --trainer.max_epochs instead of --budget"
        )


def _count_devices(devices: Any) -> int | None:
    """Number of devices of Lightning's forms: a number, or numbers of devices; None if unknown."""
    if isinstance(devices, list):
        return len(devices)
    text = str(devices)
    if "," in text:
        return sum(bool(part.strip()) for part in text.split(","))
    return int(text) if text.isdecimal() else None


class PlannedTraining:
    """A training under a time budget.

    Args:
        budget: The budget.
        plan: The plan as plain values, see `Plan.to_plain`.
    """

    def __init__(self, budget: Budget, plan: dict[str, Any]) -> None:
        self.budget = budget
        self.plan = plan

    def callbacks(self, users: Sequence[Callback]) -> list[Callback]:
        """The callbacks that keep to the plan.

        Args:
            users: The callbacks of the configuration; an average of weights there is kept.
        """
        callbacks: list[Callback] = [
            # A run of an older version may be resumed.
            BudgetTimer(self.budget, self.plan.get("validations", 1)),
            ThreadAdapter(),
        ]
        if self.plan.get("validated"):
            callbacks.append(PartialValidation(self.plan["validated"]))
        if len(self.plan["growth"]) > 1:
            callbacks.append(GrowingImages(self.budget, self.plan["growth"]))
        if self.plan["views"]:
            callbacks.append(CachedViews(self.plan["views"]))
        if self.plan["head_samples"]:
            callbacks.append(HeadFirst(self.plan["head_samples"]))
        averages = any(isinstance(each, WeightAveraging) for each in users)
        share, decay = self.plan.get("averaged"), self.plan.get("decay")
        if share and not averages:
            callbacks.append(WeightAveraging(avg_fn=recent_average(share)))
        elif decay and not averages:
            # A run of an older version is resumed.
            callbacks.append(EMAWeightAveraging(decay=decay))
        return callbacks

    def to_plain(self) -> dict[str, Any]:
        """What a checkpoint stores, from which a resumed training continues."""
        return {"seconds": self.budget.seconds, "plan": self.plan}

    @rank_zero_only
    def report(self, folder: Path) -> None:
        """Print the plan as a table, and write it into the run folder."""
        names = ("setting", "value", "reason")
        title = f"plan for {self.budget.seconds:g} s, of which {self.budget.left:.0f} s are left"
        table = Table(*names, title=title)
        for row in self.plan["rows"]:
            table.add_row(*row)
        console().print(table)
        rows = [dict(zip(names, row, strict=True)) for row in self.plan["rows"]]
        content = {"budget_seconds": self.budget.seconds, "plan": rows}
        write_text(folder / PLAN_FILE, json.dumps(content, indent=2) + "\n")


def continue_plan(
    stored: dict[str, Any] | None, budget: Budget | None, given: Collection[str], trainer: Any
) -> PlannedTraining | None:
    """The plan of a resumed training; None for a training without a budget.

    Args:
        stored: See `PlannedTraining.to_plain`.
        budget: Another budget for the whole training, or None for that of the plan.
        given: The options of the command line.
        trainer: The arguments of the trainer.

    Raises:
        CommandError: If there is a budget, but the training has no plan, an option also says how
            long to train, or several devices are chosen.
    """
    if budget is not None:
        refuse_lengths(given)
    if stored is None:
        if budget is not None:
            raise CommandError(
                "--budget with --resume: the run was not planned for a budget; leave it out"
            )
        return None
    use_one_device(trainer)
    return PlannedTraining(budget or Budget(stored["seconds"]), stored["plan"])


def plan_training(
    config: Any, given: Collection[str], budget: Budget
) -> tuple[PlannedTraining, Measurer]:
    """Measure, plan, and change the configuration.

    Args:
        config: The parsed configuration, which is changed.
        given: The options of the command line, which are kept.
        budget: The budget.

    Returns:
        The planned training, and the measurer with the data that it has read.
    """
    refuse_lengths(given)
    use_one_device(config.trainer)
    trainer = {name: config.trainer[name] for name in ("accelerator", "precision")}
    # A launcher's one process has one device.
    trainer |= {"devices": 1 if config.trainer.devices == "auto" else config.trainer.devices}
    has_weights = bool(config.init_from or config.model.init_args.get("pretrained"))
    measurer = Measurer(config.model.as_dict(), config.data.as_dict(), trainer, given, has_weights)
    measured = measurer.measure(budget)
    # The weights that measuring has drawn must not change those of the training.
    pl.seed_everything(config.seed_everything, workers=True, verbose=False)
    if budget.left < _LEAST * budget.seconds:
        raise CommandError(
            f"--budget: {budget.elapsed:.0f} s of {budget.seconds:g} s were spent on reading the "
            "data and measuring, which leaves too little for training; give more time"
        )
    plan = make_plan(measured, measurer.choices, budget.left)
    _apply(plan, config, given, measurer)
    return PlannedTraining(budget, plan.to_plain()), measurer


def _apply(plan: Plan, config: Any, given: Collection[str], measurer: Measurer) -> None:
    model, data, trainer = config.model.init_args, config.data.init_args, config.trainer
    if model.get("backbone") != plan.candidate.backbone:
        model["backbone"] = plan.candidate.backbone
    if tuple(plan.candidate.size) != tuple(measurer.data.image_size):
        data["image_size"] = tuple(plan.candidate.size)
    if plan.candidate.crop is not None:
        data["crop_size"] = tuple(plan.candidate.crop)
    if plan.views:
        model["freeze_epochs"] = -1
    if "--data.batch_size" not in given:
        data["batch_size"] = plan.batch_size
    trainer.precision = measurer.precision
    trainer.max_epochs = -1
    trainer.check_val_every_n_epoch = None
    trainer.val_check_interval = plan.validation_interval
