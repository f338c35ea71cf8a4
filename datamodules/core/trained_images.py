"""Recognise the images that a model was trained on, in other folders and in evaluation data."""

from collections.abc import Mapping, Sequence
from typing import Any

from visus.datamodules.core.splits import Listed

_COUNT = 1000
"""Most training images whose hashes a checkpoint stores."""

_LENGTH = 16
"""Hexadecimal digits of a hash that are stored."""


def training_hashes(data: Any) -> list[str]:
    """Hashes of the contents of at most 1,000 training images, evenly spread over all.

    Args:
        data: A data module; the list is empty for procedural images, which have no files, and for
            face recognition, where `content` identifies a person and not an image.
    """
    samples = _splits(data).get("train", ())
    return sorted(_hashes(samples[:: max(1, -(-len(samples) // _COUNT))]))


def divide_training_data(data: Any, hashes: Sequence[str]) -> None:
    """Evaluate a data set by its hold-out instead of as a whole, if it is that of the training.

    It may have been moved, or be named by another path: it is, if it holds all of the images.

    Args:
        data: A data module.
        hashes: `training_hashes` of the training.
    """
    if not hashes or not getattr(data, "evaluate_all", False):
        return
    if set(hashes) <= _hashes(data.splits["train"]):
        data.evaluate_all = False
        del data.splits


def count_training_images(data: Any, split: str, hashes: Sequence[str]) -> int:
    """The number of images of a split with these hashes.

    Args:
        data: A data module; 0 for procedural images.
        split: `val` or `test`.
        hashes: `training_hashes` of the training.
    """
    known = frozenset(hashes)
    samples = _splits(data).get(split, ()) if known else ()
    return sum(not known.isdisjoint(_hashes([sample])) for sample in samples)


def _splits(data: Any) -> Mapping[str, Sequence[Listed]]:
    splits: Mapping[str, Sequence[Listed]] = data.splits if hasattr(data, "evaluate_all") else {}
    return splits


def _hashes(samples: Sequence[Listed]) -> set[str]:
    """The hashes of files; clips with a stated source have that of its name."""
    files = (sample for sample in samples if not getattr(sample, "source", ""))
    return {sample.content[:_LENGTH] for sample in files}
