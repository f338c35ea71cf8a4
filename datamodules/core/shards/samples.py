"""The samples of a data set in shards, built when they are read."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from visus.datamodules.core.shards.index import ShardIndex
from visus.datamodules.core.shards.location import Store
from visus.vision.decoding.data import ImageError
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from pydantic_core.core_schema import CoreSchema

    from visus.datamodules.core.shards.codec import SampleCodec

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class ShardFile:
    """A file within a shard.

    Attributes:
        store: Where the shard lies.
        shard: Name of the tar file.
        start: Position of its first byte.
        size: Size in bytes.
        checksum: CRC-32 of its bytes.
        name: Its name in the data set that was converted.
    """

    store: Store = field(repr=False, compare=False)
    shard: str
    start: int
    size: int
    checksum: int
    name: str

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> "CoreSchema":
        """Pydantic takes an object of this class as it is."""
        from pydantic_core.core_schema import is_instance_schema

        return is_instance_schema(cls)

    def __str__(self) -> str:
        """Its name in messages and reports."""
        return f"{self.shard}/{self.name}"

    def read_bytes(self) -> bytes:
        """The bytes of the file.

        Raises:
            ImageError: If they are not those that were written.
        """
        try:
            data = self.store.read(self.shard, self.start, self.start + self.size)
        except VisusError as error:
            raise ImageError(f"{self}: {error}") from error
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise ImageError(
                f"{self}: the bytes {self.start} to {self.start + self.size} of "
                f"{self.store.root}/{self.shard} are damaged; copy or convert the data set again"
            )
        return data


def shard_files(index: ShardIndex, number: int, name: str) -> dict[str, ShardFile]:
    """The `image` of the sample of a number, and its `mask` if that is a file.

    Args:
        index: The index of the data set.
        number: Number of the sample in it.
        name: Name of the sample.
    """
    row = index.rows[number]
    shard = index.shards[int(row["shard"])]
    files = {}
    for kind in ("image", "mask"):
        start, size, checksum = (int(row[f"{kind}_{key}"]) for key in ("start", "size", "sum"))
        if size:
            files[kind] = ShardFile(index.store, shard, start, size, checksum, name)
    return files


class ShardSamples(Sequence[Sample]):
    """Some samples of a data set in shards.

    Nothing of them is in memory: each is built from the index, which is mapped, when it is read.

    Args:
        index: The index.
        codec: Converts records to samples.
        numbers: Numbers of the samples.
    """

    def __init__(self, index: ShardIndex, codec: "SampleCodec[Sample]", numbers: range) -> None:
        self.shard_index = index
        self._codec = codec
        self._numbers = numbers

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "ShardSamples[Sample]": ...
    def __getitem__(self, index: int | slice) -> "Sample | ShardSamples[Sample]":
        """A sample, or some of them."""
        if isinstance(index, slice):
            return ShardSamples(self.shard_index, self._codec, self._numbers[index])
        number = self._numbers[index]
        record = self.shard_index.record(number)
        return self._codec.decode(record, partial(shard_files, self.shard_index, number))

    def splits(self, val_share: float, fold: int, evaluate_all: bool) -> "dict[str, Any]":
        """The samples of each split, as they were written; see `split_samples`.

        Raises:
            VisusError: If they were written with another hold-out.
        """
        header = self.shard_index.header
        splits, start = {}, 0
        for name in ("train", "val", "test"):
            splits[name] = self[start : start + header.splits[name]]
            start += header.splits[name]
        if evaluate_all and not splits["test"] and header.held_out is not None:
            return splits | {"val": self, "test": self}
        if header.held_out not in (None, (val_share, fold)) and not evaluate_all:
            share, number = header.held_out
            raise VisusError(
                f"{self.shard_index.store.root}: was written with data.val_share {share:g} and "
                f"data.fold {number}, which cannot be changed; give these, or convert the folder "
                "again"
            )
        return splits | {"test": splits["test"] or splits["val"]}
