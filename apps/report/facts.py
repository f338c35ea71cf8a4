"""Facts on the data of a model: samples, image sizes, and images that two splits share."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visus.datamodules.core.images import file_hash

SPLITS = ("train", "val", "test")

_MAX = 10_000
"""Images of a split whose content is compared."""


@dataclass(frozen=True)
class SplitFacts:
    """Facts on one split.

    Attributes:
        split: Its name.
        samples: Number of samples.
        compared: Number of samples whose content was compared.
        copies: How many of these are copies of an earlier one of the split.
        shared: How many occur in another split, by that split's name.
    """

    split: str
    samples: int
    compared: int
    copies: int
    shared: dict[str, int]


def gather_facts(data: Any) -> list[SplitFacts]:
    """The facts on all splits of a data module.

    Args:
        data: The data module. A split without samples of its own is left out, as is one that is
            the same as an earlier one.
    """
    contents: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for split in SPLITS:
        dataset = data.plain_dataset(split)
        hashes = _hashes(dataset)
        if not hashes or hashes in contents.values():
            continue
        contents[split], sizes[split] = hashes, len(dataset)
    return [
        SplitFacts(
            split,
            sizes[split],
            len(hashes),
            len(hashes) - len(set(hashes)),
            {
                other: sum((Counter(hashes) & Counter(theirs)).values())
                for other, theirs in contents.items()
                if other != split
            },
        )
        for split, hashes in contents.items()
    ]


def _hashes(dataset: Any) -> list[str]:
    count = min(len(dataset), _MAX)
    return [_hash(dataset, i) for i in range(count)]


def _hash(dataset: Any, index: int) -> str:
    name = dataset.name(index) if hasattr(dataset, "name") else ""
    if name and Path(name).is_file():
        return file_hash(name)
    return hashlib.sha256(np.ascontiguousarray(dataset.image(index)).tobytes()).hexdigest()
