"""Failures of a training that have a remedy, as one line."""

import re

import torch

from visus.apps.training.cli import VisusCLI
from visus.apps.training.memory_errors import is_out_of_memory, is_worker_death
from visus.vision.errors import VisusError


def explain_failure(error: BaseException, cli: VisusCLI) -> VisusError | None:
    """The error that names the remedy, or None for a failure that has none.

    Args:
        error: What the training raised.
        cli: The command line, with the model and the data.
    """
    if is_worker_death(error):
        return VisusError(_dead_worker(str(error), cli))
    if cli.trainer.world_size > 1 and _is_lost_process(error):
        return VisusError(
            "another process of this training has ended or cannot be reached, so that this one "
            f"stops in step {cli.trainer.global_step + 1}; what the other one printed says why"
        )
    if is_out_of_memory(error):
        return VisusError(_out_of_memory(error, cli))
    missing = re.match(r"Early stopping conditioned on metric `(.+?)` which", str(error))
    if missing:
        return VisusError(
            f"--trainer.callbacks EarlyStopping: these data have no {missing[1]}; monitor another "
            "metric"
        )
    return None


def _dead_worker(message: str, cli: VisusCLI) -> str:
    process = re.search(r"\d+", message)
    cause = re.search(r"killed by signal: ([^.]+)", message)
    how = f"was ended by a signal ({cause[1].strip()})" if cause else "ended unexpectedly"
    return (
        f"process {process[0] if process else '?'}, which loads images, {how}; the system ends "
        "processes when memory runs out: lower --data.num_workers "
        f"{cli.datamodule.num_workers} or --data.batch_size {cli.datamodule.batch_size}"
    )


def _is_lost_process(error: BaseException) -> bool:
    """Whether the connection to another process of the training failed."""
    if isinstance(error, torch.distributed.DistError):
        return True
    lost = r"[Cc]onnection (closed|reset) by peer|Broken pipe|gloo.*[Tt]imed? ?out"
    return isinstance(error, RuntimeError) and bool(re.search(lost, str(error)))


def _out_of_memory(error: BaseException, cli: VisusCLI) -> str:
    trainer, batch_size = cli.trainer, cli.datamodule.batch_size
    height, width = cli.model.image_size
    device = trainer.strategy.root_device
    half = max(1, batch_size // 2)
    accumulated = trainer.accumulate_grad_batches * 2
    return (
        f"out of memory on {device} in epoch {trainer.current_epoch + 1}, step "
        f"{trainer.global_step + 1}, with --data.batch_size {batch_size} and images of "
        f"{height} x {width}; use --data.batch_size {half} with "
        f"--trainer.accumulate_grad_batches {accumulated}, which trains the same, or smaller images"
    )
