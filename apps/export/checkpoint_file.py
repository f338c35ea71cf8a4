"""Checkpoints to hand on: the weights alone, in half the bytes."""

from pathlib import Path

import torch
from torch import Tensor

from visus.tasks.checkpoints import read_checkpoint

_KEPT = ("epoch", "global_step", "pytorch-lightning_version", "visus")


def write_slim_checkpoint(source: Path, target: Path) -> None:
    """Write a checkpoint that predicts and tests as its source does, but cannot go on training.

    What only training needs (the optimiser's moments, the loops' state) is left out, and weights
    are kept in float16, but for those that it cannot hold.

    Args:
        source: A checkpoint of a run.
        target: Where to write.

    Raises:
        VisusError: If the source is no checkpoint of visus.
    """
    checkpoint = read_checkpoint(source)
    slim = {key: checkpoint[key] for key in _KEPT if key in checkpoint}
    slim["state_dict"] = {k: _halved(value) for k, value in checkpoint["state_dict"].items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    torch.save(slim, part)
    # Only a finished file gets the name.
    part.replace(target)


def _halved(value: Tensor) -> Tensor:
    half = value.half() if value.is_floating_point() else value
    return half if torch.isfinite(half).all() else value
