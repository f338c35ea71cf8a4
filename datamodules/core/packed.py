"""A sequence of objects in one block of memory, which loading processes share."""

import pickle
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

import numpy as np

from visus.datamodules.core.shards.samples import ShardSamples

Item = TypeVar("Item", covariant=True)


def packed(items: Sequence[Any]) -> Sequence[Any]:
    """The same objects in a form that loading processes share.

    Args:
        items: The objects; those of a data set in shards, which lie in mapped files, are returned.
    """
    return items if isinstance(items, ShardSamples) else PackedSequence(items)


class PackedSequence(Sequence[Item]):
    """Objects that are stored as bytes and built when they are read.

    A forked process shares the memory of its parent until one of them writes to it, and reading
    a Python object writes its reference count: a worker that reads a list of a million objects
    ends with a copy of all. These bytes are only read. A process that is not forked gets one copy
    of them, without an object for each item.

    Args:
        items: The objects; it must be possible to pickle them.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        packed = bytearray()
        ends = [0]
        for item in items:
            packed += pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
            ends.append(len(packed))
        self._packed = np.frombuffer(packed, np.uint8)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        """Number of items."""
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """A new object that equals the item, or a list of them."""
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self[position] for position in positions]
        start, end = self._ends[positions], self._ends[positions + 1]
        # These bytes were pickled above, by this program.
        item: Item = pickle.loads(self._packed[start:end].data)
        return item
