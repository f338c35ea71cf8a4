"""The index of a data set in shards: where each sample lies, and what its labels say."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.shards.location import INDEX, RECORDS, SAMPLES, Store, is_address
from visus.models.weights_entry import cache_folder
from visus.vision.errors import VisusError
from visus.vision.output_files import replacing

FORMAT = "visus shards 1"

ROW = np.dtype(
    [
        ("shard", "<u4"),
        ("image_start", "<u8"),
        ("image_size", "<u4"),
        ("image_sum", "<u4"),
        ("mask_start", "<u8"),
        ("mask_size", "<u4"),
        ("mask_sum", "<u4"),
        ("record_start", "<u8"),
        ("record_size", "<u4"),
    ]
)
"""Row of a sample: where its image, mask and record start, their sizes in bytes and CRC-32."""


@dataclass(frozen=True)
class Header:
    """What `shards.json` holds.

    Attributes:
        task: The task of the data.
        splits: Number of samples in `train`, `val` and `test`, which follow one another.
        held_out: The `val_share` and the `fold` of a hold-out; None if the data set stated `val`.
        shards: Size in bytes of each tar file, by its name.
        content: What the task needs beside the samples, such as the names of the classes.
        sums: CRC-32 of the other files of the index.
        format: The layout of the files.
    """

    task: str
    splits: Mapping[str, int]
    held_out: tuple[float, int] | None
    shards: Mapping[str, int]
    content: Mapping[str, Any]
    sums: Mapping[str, int]
    format: str = FORMAT

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


class ShardIndex:
    """The index of a data set in shards, mapped into memory: processes share it.

    Args:
        root: The folder or the address of the data set. The index of an address is copied to the
            cache folder once.

    Raises:
        VisusError: If there is no such data set, or its index is damaged.
    """

    def __init__(self, root: str) -> None:
        self.store = Store(root)
        self.header = _read_header(self.store)
        self._folder = self._copied() if is_address(root) else Path(self.store.root)

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process maps the files itself."""
        return {key: value for key, value in vars(self).items() if key not in ("rows", "records")}

    def __len__(self) -> int:
        """Number of samples."""
        return sum(self.header.splits.values())

    @cached_property
    def shards(self) -> tuple[str, ...]:
        """Names of the tar files, in order."""
        return tuple(self.header.shards)

    @cached_property
    def rows(self) -> NDArray[np.void]:
        """A `ROW` for each sample."""
        rows: NDArray[np.void] = np.load(self._folder / SAMPLES, mmap_mode="r", allow_pickle=False)
        if rows.dtype != ROW or rows.shape != (len(self),):
            raise self._damaged(SAMPLES)
        return rows

    @cached_property
    def records(self) -> NDArray[np.uint8]:
        """The records of all samples, one after the other."""
        return np.memmap(self._folder / RECORDS, np.uint8, "r")

    def record(self, number: int) -> bytes:
        """The record of a sample, as JSON."""
        row = self.rows[number]
        start = int(row["record_start"])
        return self.records[start : start + int(row["record_size"])].tobytes()

    def check(self) -> None:
        """Compare the files of the index and the sizes of the shards with the header.

        Raises:
            VisusError: Naming the file that differs.
        """
        for name, expected in self.header.sums.items():
            file = self._folder / name
            if not file.is_file() or file_sum(file) != expected:
                raise self._damaged(name)
        for name, size in self.header.shards.items():
            if self.store.size(name) != size:
                raise self._damaged(name)

    def _damaged(self, name: str) -> VisusError:
        return VisusError(
            f"{self.store.root}/{name}: is missing, damaged or belongs to another {INDEX}; "
            "copy or convert the data set again"
        )

    def _copied(self) -> Path:
        """The folder in the cache with the files of an address."""
        sums = "-".join(f"{self.header.sums[name]:08x}" for name in (SAMPLES, RECORDS))
        folder = cache_folder() / "shards" / sums
        for name in (SAMPLES, RECORDS):
            file = folder / name
            if file.is_file() and file_sum(file) == self.header.sums[name]:
                continue
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with replacing(file) as part, part.open("wb") as copy:
                for start in range(0, size := self.store.size(name), _BLOCK):
                    copy.write(self.store.read(name, start, min(start + _BLOCK, size)))
            if file_sum(file) != self.header.sums[name]:
                raise self._damaged(name)
        return folder


_BLOCK = 1 << 24
"""Bytes that are copied or summed at a time."""


def file_sum(path: Path) -> int:
    """CRC-32 of a file."""
    result = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            result = zlib.crc32(block, result)
    return result


def _read_header(store: Store) -> Header:
    place = f"{store.root}/{INDEX}"
    try:
        values = json.loads(store.read(INDEX))
        found = values.get("format")
        held_out = values["held_out"]
        header = Header(**{**values, "held_out": held_out and (held_out[0], held_out[1])})
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise VisusError(
            f"{place}: is not an index of shards; write one by visus data convert"
        ) from None
    if found != FORMAT:
        raise VisusError(f"{place}: has the format {found!r}, not {FORMAT!r}; convert it again")
    return header
