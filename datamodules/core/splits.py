"""Which split a sample belongs to: as the data set states it, or held out by content."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeVar

from visus.vision.errors import VisusError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""Folder names and CSV values that name a split."""


class Listed(Protocol):
    """A sample of a data set.

    Attributes:
        split: `train`, `val`, `test`, or empty where the data set states none.
        content: `content_hash` of its file.
    """

    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> str: ...  # noqa: D102


Item = TypeVar("Item", bound=Listed)


def content_hash(data: bytes) -> str:
    """The name of a content: equal bytes have equal names."""
    return hashlib.sha256(data).hexdigest()


def held_out(
    hashes: Sequence[str], groups: Sequence[Hashable], share: float, fold: int = 0
) -> list[bool]:
    """Choose the samples to hold out: the same on every machine, equal contents on one side.

    Within each group the distinct contents are ordered by their hash, which is as good as a
    shuffle; the groups are then merged like the teeth of combs, and the `fold`-th slice of the
    whole is taken, so that each group gives its share as closely as whole samples allow.

    Args:
        hashes: `content_hash` of each sample.
        groups: Of each sample: shares are kept within a group, for instance a class.
        share: Above 0 and below 1.
        fold: Which slice, from 0; the folds of one share do not overlap.

    Returns:
        For each sample whether it is held out.

    Raises:
        VisusError: If there is no such fold.
    """
    if not 0 < share < 1 or fold < 0 or (fold + 1) * share > 1 + 1e-9:
        raise VisusError(
            f"data.val_share {share} with data.fold {fold}: the share must lie between 0 and 1 and "
            "(fold + 1) * share must not exceed 1"
        )
    # A content that stands in several groups counts where it stands first.
    owners: dict[str, Hashable] = {}
    for value, group in zip(hashes, groups, strict=True):
        owners.setdefault(value, group)
    place: dict[str, float] = {}
    for group in dict.fromkeys(owners.values()):
        members = sorted(value for value, owner in owners.items() if owner == group)
        place.update({value: (i + 0.5) / len(members) for i, value in enumerate(members)})
    order = sorted(place, key=lambda value: (place[value], value))
    first, last = round(len(order) * fold * share), round(len(order) * (fold + 1) * share)
    chosen = set(order[first:last])
    return [value in chosen for value in hashes]


def split_samples(
    items: Sequence[Item],
    group: Callable[[Item], Hashable],
    share: float,
    fold: int,
    evaluate_all: bool,
) -> dict[str, list[Item]]:
    """The samples of each split: as the data set states it, otherwise some held out.

    Args:
        items: All samples; those of no split are for training.
        group: What a sample has in common with others: shares are kept within a group.
        share: Held out of the training samples where none are stated for validation.
        fold: Which share, from 0.
        evaluate_all: Validate and test on all where no split is stated for it.

    Returns:
        `train`, `val` and `test`; those of `val` serve for `test` where there are none.
    """
    splits = {name: [i for i in items if i.split == name] for name in ("train", "val", "test")}
    splits["train"] += [item for item in items if not item.split]
    if evaluate_all and not splits["test"]:
        chosen = splits["val"] or list(items)
        return splits | {"val": chosen, "test": chosen}
    if not splits["val"]:
        pool = splits["train"]
        out = held_out([item.content for item in pool], [group(i) for i in pool], share, fold)
        splits["train"] = [item for item, o in zip(pool, out, strict=True) if not o]
        splits["val"] = [item for item, o in zip(pool, out, strict=True) if o]
    splits["test"] = splits["test"] or splits["val"]
    return splits


def scene_seeds(split: str, count: int, seed: int) -> range:
    """The seeds of procedural images of a split; those of different splits lie far apart.

    Args:
        split: `train`, `val`, `test` or `predict`.
        count: Training images; the others have a quarter as many.
        seed: Where the training images begin.
    """
    first = seed + ("train", "val", "test", "predict").index(split) * 10**8
    return range(first, first + (count if split == "train" else max(1, count // 4)))
