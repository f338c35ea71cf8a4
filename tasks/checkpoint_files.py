"""Write checkpoints so that an interruption or a full disk leaves the earlier file intact.

Each holds a digest of its weights, which is compared when it is read.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visus.models.weights_digest import tensors_digest
from visus.models.weights_file import odd_tensor
from visus.vision.errors import VisusError

_DIGEST = "weights_digest"
_TEMPORARY = ".part"


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint: a temporary file beside the target, flushed to the disk and renamed.

    Args:
        checkpoint: The checkpoint; the digest of its weights is added to `checkpoint["visus"]`.
        path: The target, which is replaced once the new file is complete.

    Raises:
        VisusError: If it cannot be written, or its weights are not finite; an earlier file is
            unchanged.
    """
    weights = checkpoint["state_dict"]
    refuse_non_finite_weights(weights, f"{path}: not written, the")
    checkpoint["visus"] = {**checkpoint["visus"], _DIGEST: tensors_digest(weights)}
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        kept = "; the earlier file is unchanged" if path.exists() else ""
        raise VisusError(
            f"{path}: cannot be written ({_reason(error)}), it needs {_size(checkpoint):,} bytes "
            f"in {path.parent.resolve()}{kept}; free space there"
        ) from error


def _reason(error: BaseException | None) -> str:
    """The system's reason, which torch hides behind errors of its own."""
    last = ""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        last = str(error)
        error = error.__cause__ or error.__context__
    return last


def remove_partial_files(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a run folder."""
    for path in folder.glob(f"*.ckpt{_TEMPORARY}"):
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a renaming permanent; Windows does so by itself, and cannot open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(checkpoint: object) -> int:
    """Bytes of all tensors, each storage once, as in the file."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in _tensors(checkpoint)}
    return sum(storage.nbytes() for storage in storages.values())


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def refuse_altered_weights(weights: Any, stored: Any, path: str | Path) -> None:
    """Refuse weights that are not those that were saved, or not finite.

    Args:
        weights: The state dictionary.
        stored: What visus stored beside it; earlier versions stored no digest.
        path: The file, for the error.

    Raises:
        VisusError: If they are not.
    """
    problem = odd_tensor(weights)
    if problem is not None:
        raise VisusError(
            f"{path}: its weights are not plain tensors ({problem}); use a checkpoint that visus "
            "wrote"
        )
    digest = stored.get(_DIGEST) if isinstance(stored, dict) else None
    if digest is not None and digest != tensors_digest(weights):
        raise VisusError(f"{path}: damaged, its weights differ from those saved; use another copy")
    refuse_non_finite_weights(weights, f"{path}: refused, the")


def refuse_non_finite_weights(weights: Mapping[str, Tensor], prefix: str) -> None:
    """Refuse weights that are infinite or not a number.

    Args:
        weights: The state dictionary.
        prefix: Beginning of the error's message.

    Raises:
        VisusError: Naming the first such tensor.
    """
    for name, value in weights.items():
        # A single number may be unknown, such as the false-accept rate of a threshold.
        if value.ndim and not torch.isfinite(value).all():
            raise VisusError(
                f"{prefix} weights {name} are not finite; train with a lower "
                "model.learning_rate from an earlier checkpoint"
            )
