"""Write a data set as tar shards in WebDataset's layout, with an index for reading at random.

The layout: https://github.com/webdataset/webdataset. The files of one sample follow one another
and have one name before the first point: `000000007.jpg`, `000000007.mask.png`, `000000007.json`.
"""

import io
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.index import ROW, Header, file_sum
from visus.datamodules.core.shards.location import INDEX, RECORDS, SAMPLES
from visus.datamodules.core.splits import content_hash
from visus.vision.errors import VisusError
from visus.vision.output_files import write_text
from visus.vision.output_folders import complete_folder
from visus.vision.progress import track

Sample = TypeVar("Sample")

SHARD_BYTES = 256 * 1024**2
"""Size from which the next sample begins another tar file."""


@dataclass(frozen=True)
class ShardSource(Generic[Sample]):
    """A checked data set, to be written in shards.

    Attributes:
        task: The task of the data.
        root: The folder that the names of the samples are relative to.
        splits: The samples of `train`, `val` and `test`; `test` is `val` if there is none.
        held_out: The `val_share` and the `fold` by which `val` was held out; None if the data set
            states it.
        content: What the task needs beside the samples; plain values.
        codec: Converts samples to records.
    """

    task: str
    root: Path
    splits: Mapping[str, Sequence[Sample]]
    held_out: tuple[float, int] | None
    content: Mapping[str, Any]
    codec: SampleCodec[Sample]


def write_shards(source: ShardSource[Sample], output: Path) -> Header:
    """Write a data set in shards.

    Args:
        source: The data set.
        output: A folder that does not exist yet, or is empty. It appears once it is complete.

    Returns:
        The header of the index.

    Raises:
        VisusError: If the folder is not empty or cannot be written, or a file changed since it was
            checked.
    """
    with complete_folder(output, INDEX) as folder:
        shards = _Shards(folder)
        splits = dict(source.splits)
        if splits["test"] is splits["val"]:
            splits["test"] = []
        total = sum(map(len, splits.values()))
        rows = np.zeros(total, ROW)
        number = 0
        with (folder / RECORDS).open("wb") as records:
            for split, samples in splits.items():
                shards.begin(split)
                for sample in track(samples, f"Writing {split}", len(samples)):
                    _write_sample(source, sample, number, shards, rows, records)
                    number += 1
            shards.close()
        np.save(folder / SAMPLES, rows)
        header = Header(
            source.task,
            {split: len(samples) for split, samples in splits.items()},
            source.held_out,
            shards.sizes(),
            source.content,
            {name: file_sum(folder / name) for name in (SAMPLES, RECORDS)},
        )
        write_text(folder / INDEX, header.to_json())
    return header


@dataclass
class _Shards:
    """The tar files of a folder, of which the last one is written."""

    folder: Path
    names: list[str] = field(default_factory=list)
    _split: str = ""
    _first: int = 0
    _tar: tarfile.TarFile | None = None

    def begin(self, split: str) -> None:
        """Begin the shards of a split."""
        self.close()
        self._split, self._first = split, len(self.names)

    def add(self, name: str, data: bytes) -> int:
        """Add a file to the current shard; returns the position of its first byte."""
        assert self._tar is not None
        member = tarfile.TarInfo(name)
        member.size = len(data)
        start = self._tar.offset + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(data))
        return start

    def next_sample(self) -> int:
        """The index of the shard that has room for the next sample."""
        if self._tar is not None and self._tar.offset >= SHARD_BYTES:
            self.close()
        if self._tar is None:
            self.names.append(f"{self._split}-{len(self.names) - self._first:06d}.tar")
            # The headers of this format have one block each.
            self._tar = tarfile.open(self.folder / self.names[-1], "w", format=tarfile.USTAR_FORMAT)
        return len(self.names) - 1

    def close(self) -> None:
        """Complete the current shard."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def sizes(self) -> dict[str, int]:
        """Size of each shard in bytes, by its name."""
        return {name: (self.folder / name).stat().st_size for name in self.names}


def _write_sample(
    source: ShardSource[Sample],
    sample: Sample,
    number: int,
    shards: _Shards,
    rows: NDArray[np.void],
    records: BinaryIO,
) -> None:
    files = source.codec.files(sample)
    row = rows[number]
    row["shard"] = shards.next_sample()
    for kind, path in files.items():
        data = _read(path, getattr(sample, "content", "") if kind == "image" else "")
        ending = path.suffix.lower() if kind == "image" else f".{kind}{path.suffix.lower()}"
        row[f"{kind}_start"] = shards.add(f"{number:09d}{ending}", data)
        row[f"{kind}_size"], row[f"{kind}_sum"] = len(data), zlib.crc32(data)
    record = source.codec.encode(sample, _name(files["image"], source.root))
    shards.add(f"{number:09d}.json", record)
    row["record_start"], row["record_size"] = records.tell(), len(record)
    records.write(record)


def _read(path: Path, content: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VisusError(f"{path}: cannot be read ({error.strerror}); convert again") from None
    if content and content_hash(data) != content:
        raise VisusError(f"{path}: changed since it was checked; convert again")
    return data


def _name(path: Path, root: Path) -> str:
    """The name of a sample: its path in the data set, or its file name outside of it."""
    folder = root if root.is_dir() else root.parent
    relative = Path(os.path.relpath(path, folder))
    return path.name if ".." in relative.parts else relative.as_posix()
