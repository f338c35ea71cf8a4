"""Checkpoints of the weights alone."""

from pathlib import Path

import torch
from torch import Tensor

from visus.tasks.checkpoint_files import write_checkpoint
from visus.tasks.checkpoints import read_checkpoint
from visus.tasks.registry import task_spec

_TRAINING_ONLY = "identity_loss."
"""Weights that only training uses: of face recognition, a vector for each training person."""

_OF_THE_DATA = ("people", "trained_images")
"""Stored hashes of people's names and of images, which need not leave with a model."""

_OTHER_KEYS = ("epoch", "global_step", "pytorch-lightning_version", "visus")


def write_slim_checkpoint(source: Path, target: Path) -> None:
    """Write a checkpoint for prediction and tests, but not for resuming the training.

    What only training needs is left out: the state of the optimiser and the loops, and what
    describes the people or images of the training. Weights are stored in float16, except for
    those that exceed its range, and for tasks whose `ExportSpec.half_weights` is false.

    Args:
        source: A checkpoint of a run.
        target: Where to write.

    Raises:
        VisusError: If the source is not a checkpoint of visus.
    """
    checkpoint = read_checkpoint(source)
    slim = {key: checkpoint[key] for key in _OTHER_KEYS if key in checkpoint}
    slim["visus"] = {k: value for k, value in slim["visus"].items() if k not in _OF_THE_DATA}
    halves = task_spec(slim["visus"]["task"]).export.half_weights
    store = _to_half if halves else torch.Tensor.detach
    slim["state_dict"] = {
        k: torch.zeros_like(value) if k.startswith(_TRAINING_ONLY) else store(value)
        for k, value in checkpoint["state_dict"].items()
    }
    write_checkpoint(slim, target)


def _to_half(value: Tensor) -> Tensor:
    half = value.half() if value.is_floating_point() else value
    return half if torch.isfinite(half).all() else value
