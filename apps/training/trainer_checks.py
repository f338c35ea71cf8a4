"""Checks of the trainer's options before a training starts."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pytorch_lightning.callbacks import (
    BaseFinetuning,
    Callback,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    ModelPruning,
)

from visus.apps.parsing import CommandError, did_you_mean
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError

_OPTION = "--trainer.callbacks"
_UNSUPPORTED = {
    BaseFinetuning: "has no effect; use --model.freeze_epochs",
    ModelPruning: "cannot prune networks in channels-last memory; leave it out",
}
_UNSUPPORTED_OPTIMISERS = {
    "LBFGS": "cannot train networks in channels-last memory; use AdamW or SGD",
    "SparseAdam": "needs sparse gradients; use AdamW or SGD",
}


def check_length(trainer: Mapping[str, Any]) -> None:
    """Refuse options with which nothing would be trained or saved.

    Args:
        trainer: Lightning's arguments of the trainer by name.

    Raises:
        CommandError: If there is one.
    """
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        value = trainer[name]
        if value is not None and value == 0:
            raise CommandError(f"--trainer.{name} {value} trains nothing; set it to 1 or more")
    length = trainer["max_time"]
    if isinstance(length, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", length):
        raise CommandError(
            f"--trainer.max_time {length!r} must be days, hours, minutes and seconds, 00:01:30:00"
        )
    if length is not None and not re.search("[1-9]", str(length)):
        raise CommandError(f"--trainer.max_time {length} trains nothing; give more time")
    clip = trainer["gradient_clip_val"]
    if clip is not None and not 0 <= clip:
        raise CommandError(f"--trainer.gradient_clip_val {clip} must be at least 0 (no clipping)")
    if trainer["enable_checkpointing"] is False:
        raise CommandError(
            "--trainer.enable_checkpointing false has no effect: a training saves best.ckpt and "
            "last.ckpt; leave it out"
        )


def check_optimiser(config: Mapping[str, Any], given: Collection[str]) -> None:
    """Refuse optimisers that are not supported, and options that have no effect beside one.

    Args:
        config: The parsed configuration.
        given: The options of the command line.

    Raises:
        CommandError: If there is one.
    """
    scheduler = config["lr_scheduler"]
    if not config["optimizer"]:
        if scheduler:
            raise CommandError(
                "--lr_scheduler has no effect without --optimizer, as the task's own has its "
                "schedule; add one, such as --optimizer AdamW --optimizer.lr 0.001"
            )
        return
    name = config["optimizer"]["class_path"].rpartition(".")[2]
    if name in _UNSUPPORTED_OPTIMISERS:
        raise CommandError(f"--optimizer {name} {_UNSUPPORTED_OPTIMISERS[name]}")
    replaced = ["learning_rate", "backbone_learning_rate", "weight_decay"]
    replaced += ["warmup"] if scheduler else []
    for name in replaced:
        if f"--model.{name}" in given:
            other = "--lr_scheduler" if name == "warmup" else "--optimizer"
            raise CommandError(f"--model.{name} has no effect with {other}; leave one out")


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Refuse precisions and numbers of processes that are not possible.

    Args:
        trainer: See `check_length`.

    Raises:
        CommandError: If one is not.
    """
    precision = str(trainer["precision"])
    if precision in ("16-true", "bf16-true", "64-true", "64"):
        # Batches, which hold more than tensors, are not converted.
        mixed = {"16-true": "16-mixed", "bf16-true": "bf16-mixed"}.get(precision, "32-true")
        raise CommandError(f"--trainer.precision {precision} is not supported; use {mixed}")
    devices = str(trainer["devices"])
    most = max(16, 4 * (os.cpu_count() or 1))
    if devices.isdigit() and int(devices) > most:
        # On a CPU each would be a process.
        raise CommandError(f"--trainer.devices {devices} is more than this machine has; use auto")


def explain_refusal(error: Exception, trainer: Mapping[str, Any]) -> VisusError:
    """One line for an error of Lightning's about the trainer's options.

    Args:
        error: The error.
        trainer: See `check_length`.
    """
    text = " ".join(str(error).split())
    named = [key for key in trainer if re.search(rf"\b{key}\b", text)]
    if not named:
        places = ("accelerator", "devices", "strategy", "precision")
        named = [key for key in places if trainer[key] not in (None, "auto")]
    values = [f"--trainer.{key} {trainer[key]!r}" for key in named if key != "callbacks"]
    remedy = ""
    if {"accelerator", "devices"} & set(named):
        remedy = "; visus doctor lists this machine's devices"
    return VisusError(f"{' with '.join(values) or '--trainer'}: {text.rstrip('.')}{remedy}")


def check_callbacks(
    task: VisionTask, callbacks: Sequence[Callback], scheduler: Any, trainer: Mapping[str, Any]
) -> None:
    """Refuse callbacks and schedulers that would fail after training has started.

    Args:
        task: The task to be trained.
        callbacks: The user's callbacks.
        scheduler: `class_path` and `init_args` of the user's learning-rate scheduler, or None.
        trainer: See `check_length`.

    Raises:
        CommandError: If one is not supported, monitors a metric that the training does not log, or
            has the wrong mode for its metric.
    """
    validates = trainer["limit_val_batches"] != 0
    for each in callbacks:
        name, monitor = f"{_OPTION} {type(each).__name__}", getattr(each, "monitor", None)
        for unsupported, reason in _UNSUPPORTED.items():
            if isinstance(each, unsupported):
                raise CommandError(f"{name} {reason}")
        logs = isinstance(each, DeviceStatsMonitor | LearningRateMonitor)
        if logs and trainer["logger"] is False:
            raise CommandError(f"{name} has no logger; leave out --trainer.logger false")
        if monitor is None or (isinstance(each, ModelCheckpoint) and monitor in ("epoch", "step")):
            continue
        _check_monitor(task, name, f"{_OPTION}.monitor", monitor, validates)
        if isinstance(each, EarlyStopping | ModelCheckpoint):
            _check_mode(task, name, f"{_OPTION}.mode", monitor, each.mode)
    arguments = dict(scheduler.get("init_args") or {}) if scheduler else {}
    if "monitor" in arguments:
        name, monitor = "--lr_scheduler ReduceLROnPlateau", arguments["monitor"]
        _check_monitor(task, name, "--lr_scheduler.monitor", monitor, validates)
        _check_mode(task, name, "--lr_scheduler.mode", monitor, arguments.get("mode"))


def _check_monitor(task: VisionTask, name: str, option: str, monitor: str, validates: bool) -> None:
    known = task.metric_names
    if monitor not in known:
        written = monitor.replace("_", "/", 1)
        near = f"; did you mean {written}?" if written in known else did_you_mean(monitor, known)
        # Those of single coefficients would fill the line.
        listed = [each for each in known if each.count("/") == 1]
        raise CommandError(
            f"{name}: {option} {monitor!r} is not a metric of this training{near or ';'} its "
            f"metrics are {', '.join(listed)}"
        )
    if monitor.startswith("val/") and not validates:
        raise CommandError(
            f"{name}: {option} {monitor} is never measured with --trainer.limit_val_batches 0"
        )


def _check_mode(task: VisionTask, name: str, option: str, monitor: str, mode: Any) -> None:
    """Refuse the wrong mode where it is known whether the metric should rise or fall."""
    metric, right = task.monitor
    expected = right if monitor == metric else "min" if monitor.endswith("/loss") else mode
    if mode is not None and mode != expected:
        better = {"max": "higher", "min": "lower"}[expected]
        raise CommandError(
            f"{name}: {monitor} is better the {better} it is; set {option} {expected}"
        )
