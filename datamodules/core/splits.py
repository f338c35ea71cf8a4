"""Assign samples to splits: as the data set states, or by a hash of their content."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

from visus.datamodules.core.collection import collection_paused
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.shards.samples import ShardSamples
from visus.vision.errors import VisusError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""Names of splits in folders and CSV files, and the split that each means."""


class Listed(Protocol):
    """A sample of a data set.

    Attributes:
        split: `train`, `val`, `test`, or empty if the data set does not state one.
        content: `content_hash` of its file.
    """

    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> str: ...  # noqa: D102


class PlacedSample(Protocol):
    """A sample of a data set.

    Attributes:
        split: `train`, `val`, `test`, or empty if the data set does not state one.
        place: Where it is listed.
    """

    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


Item = TypeVar("Item", bound=Listed)


def content_hash(data: bytes) -> str:
    """A hash of a file's bytes, equal for equal files."""
    return hashlib.sha256(data).hexdigest()


def unstated_splits(samples: Sequence[PlacedSample]) -> list[Problem]:
    """A warning if some samples state a split and others do not, which are used for training."""
    unstated = [sample for sample in samples if not sample.split]
    if not unstated or len(unstated) == len(samples):
        return []
    message = f"states no split, as {len(unstated)} of {len(samples)} do, and is used for training"
    return [Problem(unstated[0].place, message, "warning")]


def held_out(
    hashes: Sequence[str], groups: Sequence[Hashable], fraction: float, fold: int = 0
) -> list[bool]:
    """Choose the samples of a stratified hold-out, the same ones on every machine.

    Samples of equal content are held out together. Within each group the distinct contents are
    sorted by their hash, which is as good as a shuffle; the groups are then interleaved, and the
    `fold`-th slice of the sequence is held out, so that each group contributes its fraction as
    closely as whole samples allow.

    Args:
        hashes: `content_hash` of each sample.
        groups: Group of each sample, such as its class; the split is stratified by groups.
        fraction: Fraction of the samples to hold out, above 0 and below 1.
        fold: Index of the slice, from 0; the folds of one fraction do not overlap.

    Returns:
        For each sample whether it is held out.

    Raises:
        VisusError: If the fraction or the fold is impossible.
    """
    if not 0 < fraction < 1 or fold < 0 or (fold + 1) * fraction > 1 + 1e-9:
        raise VisusError(
            f"data.val_share {fraction} with data.fold {fold}: val_share must lie between 0 and 1 "
            "and (fold + 1) * val_share must not exceed 1"
        )
    # A content that occurs in several groups counts for the first one.
    members: dict[Hashable, list[str]] = defaultdict(list)
    for value, group in dict(zip(reversed(hashes), reversed(groups), strict=True)).items():
        members[group].append(value)
    positions = [
        ((i + 0.5) / len(values), value)
        for values in members.values()
        for i, value in enumerate(sorted(values))
    ]
    order = [value for _, value in sorted(positions)]
    first, last = round(len(order) * fold * fraction), round(len(order) * (fold + 1) * fraction)
    chosen = set(order[first:last])
    return [value in chosen for value in hashes]


@collection_paused()
def split_samples(
    items: Sequence[Item],
    group: Callable[[Item], Hashable],
    fraction: float,
    fold: int,
    evaluate_all: bool,
) -> Mapping[str, Sequence[Item]]:
    """The samples of each split: as the data set states, with a hold-out where it states none.

    A data set in shards was split when it was written.

    Args:
        items: All samples; those without a split are for training.
        group: Function from a sample to its group; the hold-out is stratified by groups.
        fraction: Fraction of the training samples to hold out if the data set has no `val` split.
        fold: Index of the hold-out, from 0, for cross-validation.
        evaluate_all: Validate and test on all samples if the data set has no `val` or `test` split.

    Returns:
        `train`, `val` and `test`; `test` is `val` if the data set has no `test` split.
    """
    if isinstance(items, ShardSamples):
        return items.splits(fraction, fold, evaluate_all)
    splits = {name: [i for i in items if i.split == name] for name in ("train", "val", "test")}
    splits["train"] += [item for item in items if not item.split]
    if evaluate_all and not splits["test"]:
        chosen = splits["val"] or list(items)
        return splits | {"val": chosen, "test": chosen}
    if not splits["val"]:
        pool = splits["train"]
        out = held_out([item.content for item in pool], [group(i) for i in pool], fraction, fold)
        splits["train"] = [item for item, o in zip(pool, out, strict=True) if not o]
        splits["val"] = [item for item, o in zip(pool, out, strict=True) if o]
    splits["test"] = splits["test"] or splits["val"]
    return splits


def scene_seeds(split: str, count: int, seed: int) -> range:
    """The seeds of a split's procedural images; the splits do not overlap.

    Args:
        split: `train`, `val` or `test`.
        count: Number of training images; the other splits have a quarter as many.
        seed: The first seed of the training images.
    """
    first = seed + ("train", "val", "test").index(split) * 10**8
    return range(first, first + (count if split == "train" else max(1, count // 4)))
