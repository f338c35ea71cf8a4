"""Assign samples to splits: as the data set states, or by a hash of their content."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

from visus.datamodules.core.collection import collection_paused
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.shards.samples import ShardSamples
from visus.vision.errors import VisusError
from visus.vision.wording import counted

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
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

_LARGE = 0.25
"""A group above this fraction of a fold is large, unless it is a single sample."""


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
    hashes: Sequence[str],
    strata: Sequence[Hashable],
    fraction: float,
    fold: int = 0,
    groups: Sequence[str] | None = None,
) -> list[bool]:
    """Choose the samples of a stratified hold-out, the same ones on every machine.

    Samples of equal content are held out together, and so are those of a group. Within each
    stratum the groups are sorted by their hash, which is as good as a shuffle; the strata are then
    interleaved, and the `fold`-th slice of the sequence is held out, so that each stratum
    contributes its fraction as closely as whole groups allow. Large groups fit into no slice:
    where there are some, each group, from the largest on, is assigned to the fold that has fewest
    samples of its stratum.

    Args:
        hashes: `content_hash` of each sample.
        strata: Stratum of each sample, such as its class.
        fraction: Fraction of the samples to hold out, above 0 and below 1.
        fold: Index of the slice, from 0; the folds of one fraction do not overlap.
        groups: Group of each sample, see `visus.datamodules.core.groups`; by default those of equal
            content.

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
    groups = hashes if groups is None else groups
    # A group that occurs in several strata counts for the first one.
    members: dict[Hashable, list[str]] = defaultdict(list)
    for group, stratum in dict(zip(reversed(groups), reversed(strata), strict=True)).items():
        members[stratum].append(group)
    sizes = Counter(group for group, _ in set(zip(groups, hashes, strict=True)))
    positions = []
    for values in members.values():
        total, start = sum(sizes[value] for value in values), 0
        # One or two samples would otherwise lie in the same folds in all strata, never in fold 0.
        offset = _uniform(min(values)) if total * fraction < 1 else 0.0
        for value in sorted(values):
            positions.append((((start + sizes[value] / 2) / total + offset) % 1, value))
            start += sizes[value]
    order = [group for _, group in sorted(positions)]
    if max(sizes.values(), default=0) > max(1.0, sizes.total() * fraction * _LARGE):
        stratum_of = {group: stratum for stratum, values in members.items() for group in values}
        chosen = _balanced_fold(order, sizes, stratum_of, fraction, fold)
    else:
        chosen = _slice(order, sizes, fraction, fold)
    return [group in chosen for group in groups]


def _uniform(text: str) -> float:
    """A number from 0 to 1 that is the same for a text on every machine."""
    return int(content_hash(text.encode())[:8], 16) / 16**8


def _slice(order: Sequence[str], sizes: Counter[str], fraction: float, fold: int) -> set[str]:
    """The groups of the `fold`-th slice of a sequence: those whose middle lies in it."""
    count, chosen, start = sizes.total(), set(), 0
    first, last = round(count * fold * fraction), round(count * (fold + 1) * fraction)
    for group in order:
        if first <= start + (sizes[group] - 1) / 2 < last:
            chosen.add(group)
        start += sizes[group]
    return chosen


def _balanced_fold(
    order: Sequence[str],
    sizes: Counter[str],
    stratum_of: Mapping[str, Hashable],
    fraction: float,
    fold: int,
) -> set[str]:
    """The groups of a fold, where each was assigned to the fold with fewest of its stratum.

    Folds with room for the group are preferred, then those with most room. They are numbered by how
    closely they hold their fraction, empty ones last.
    """
    count = int(1 / fraction + 1e-9)
    share = sizes.total() * fraction
    shares = [share] * count
    # What remains after whole folds is always used for training, unless it is little.
    if (rest := sizes.total() - count * share) > _LARGE * share or count == 1:
        shares.append(rest)
    held: list[Counter[Hashable]] = [Counter() for _ in shares]
    members: list[list[str]] = [[] for _ in shares]
    room = list(shares)
    for group in sorted(order, key=lambda group: -sizes[group]):
        size, stratum = sizes[group], stratum_of[group]
        ranks = [
            (left < size / 2, counts[stratum] / whole, -left)
            for left, counts, whole in zip(room, held, shares, strict=True)
        ]
        chosen = ranks.index(min(ranks))
        members[chosen].append(group)
        held[chosen][stratum] += size
        room[chosen] -= size
    numbered = sorted(range(count), key=lambda i: (not members[i], abs(room[i])))
    return set(members[numbered[fold]])


@collection_paused()
def split_samples(
    items: Sequence[Item],
    stratum: Callable[[Item], Hashable],
    fraction: float,
    fold: int,
    evaluate_all: bool,
    groups: Callable[[Sequence[Item]], Sequence[str] | None] | None = None,
) -> Mapping[str, Sequence[Item]]:
    """The samples of each split: as the data set states, with a hold-out where it states none.

    A data set in shards was split when it was written.

    Args:
        items: All samples; those without a split are for training.
        stratum: Function from a sample to its stratum; the hold-out is stratified.
        fraction: Fraction of the training samples to hold out if the data set has no `val` split.
        fold: Index of the hold-out, from 0, for cross-validation.
        evaluate_all: Validate and test on all samples if the data set has no `val` or `test` split.
        groups: Function from samples to the group of each, which the hold-out keeps on one side; or
            to None if each is on its own.

    Returns:
        `train`, `val` and `test`; `test` is `val` if the data set has no `test` split.

    Raises:
        VisusError: If the fraction or the fold is impossible, or too few groups leave it empty.
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
        contents, grouped = [item.content for item in pool], groups and groups(pool)
        out = held_out(contents, [stratum(item) for item in pool], fraction, fold, grouped)
        if grouped and len(set(out)) == 1:
            number = len(set(grouped))
            others = "choose another data.fold or a larger data.val_share, or " * (number > 1)
            raise VisusError(
                f"nothing can be held out in data.fold {fold}: the {len(pool)} images belong to "
                f"{counted(number, 'group')}; {others}state the splits; where images are not "
                "related, leave data.group_similar or the column group out"
            )
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
