"""Facts on the data of a model: samples, image sizes, and images that two splits share."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visus.datamodules.core.images import inspect_images
from visus.vision.images import Pixels

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
        sizes: (width, height) in pixels: of the smallest image, the median of both sides, and of
            the largest image.
    """

    split: str
    samples: int
    compared: int
    copies: int
    shared: dict[str, int]
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def gather_facts(data: Any) -> list[SplitFacts]:
    """The facts on all splits of a data module.

    Args:
        data: The data module. A split without samples of its own is left out, as is one that is
            the same as an earlier one.
    """
    contents: dict[str, list[str]] = {}
    sizes: dict[str, list[tuple[int, int]]] = {}
    counts: dict[str, int] = {}
    for split in SPLITS:
        dataset = data.plain_dataset(split)
        images = _images(dataset)
        hashes = [content for content, _ in images]
        if not hashes or hashes in contents.values():
            continue
        contents[split], sizes[split] = hashes, [size for _, size in images]
        counts[split] = len(dataset)
    return [
        SplitFacts(
            split,
            counts[split],
            len(hashes),
            len(hashes) - len(set(hashes)),
            {
                other: sum((Counter(hashes) & Counter(theirs)).values())
                for other, theirs in contents.items()
                if other != split
            },
            _spread(sizes[split]),
        )
        for split, hashes in contents.items()
    ]


def _images(dataset: Any) -> list[tuple[str, tuple[int, int]]]:
    """The content hash and the (width, height) of each image, of the first ones of many."""
    indices = range(min(len(dataset), _MAX))
    named = [dataset.name(i) if hasattr(dataset, "name") else "" for i in indices]
    if named and all(name and Path(name).is_file() for name in named):
        checks = list(inspect_images(named))
        if all(check.info is not None for check in checks):
            return [(c.content, (c.info.width, c.info.height)) for c in checks if c.info]
    return [_image(np.ascontiguousarray(dataset.image(i))) for i in indices]


def _image(image: Pixels) -> tuple[str, tuple[int, int]]:
    content = hashlib.sha256(image.tobytes()).hexdigest()
    return content, (image.shape[1], image.shape[0])


def _spread(
    sizes: list[tuple[int, int]],
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """The smallest, the median and the largest size."""
    order = sorted(sizes, key=lambda size: size[0] * size[1])
    width, height = np.median(np.array(sizes), axis=0).round().astype(int).tolist()
    return order[0], (width, height), order[-1]
