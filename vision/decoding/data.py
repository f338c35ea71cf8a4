"""Open the data of an image file, within bounds of size and time."""

import io
import os
import stat
import time
from pathlib import Path
from typing import Protocol

from visus.vision.errors import VisusError


class StoredFile(Protocol):
    """A file that lies elsewhere than in a folder, such as in an archive; `str` names it."""

    def read_bytes(self) -> bytes: ...  # noqa: D102


Source = Path | str | bytes | StoredFile
"""A file, or the encoded bytes of one."""

MAX_BYTES = 2**31
"""Size of the largest file that is read; any image within `MAX_PIXELS` is smaller."""

_MAX_SECONDS = 30.0
"""Processor time for one file; the largest images take a fifth of it."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class ImageError(VisusError):
    """An image that cannot be read; the message names the file."""


class ImageData(io.BufferedReader):
    """The data of an image file, which can be read for a bounded time.

    Pillow's readers follow directories, chunks and tiles of a file one by one, each with a read.
    Only the processor time of this thread counts: a slow disk or a busy machine is not a fault of
    the file.

    Args:
        source: A file, or the encoded bytes of one.

    Raises:
        ImageError: If it cannot be opened, is empty, too large, or no regular file.
    """

    def __init__(self, source: Source) -> None:
        self.title = name_of(source)
        if isinstance(source, Path | str):
            try:
                # Opening a pipe waits for its writer, and a device never ends.
                self.size = _size_of_regular(source)
                raw: io.BytesIO | io.FileIO = io.FileIO(source)
            except OSError as error:
                raise ImageError(
                    f"{self.title}: cannot be read ({error.strerror}); check the path"
                ) from None
        else:
            data = source if isinstance(source, bytes) else source.read_bytes()
            self.size = len(data)
            raw = io.BytesIO(data)
        super().__init__(raw)
        if not self.size:
            raise ImageError(f"{self.title}: the file is empty; replace or remove it")
        self._deadline = time.thread_time() + _MAX_SECONDS
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """See `io.BufferedReader.read`.

        Raises:
            ImageError: If the time is over.
        """
        self._reads += 1
        # The clock of a thread is slow.
        if self._reads % 64 == 0 and time.thread_time() > self._deadline:
            raise ImageError(
                f"{self.title}: takes over {_MAX_SECONDS:g} s to decode, so its structure is "
                "damaged or hostile; export it again"
            )
        return super().read(size)

    def start(self, size: int) -> bytes:
        """The first bytes; the position is then at the start."""
        self.seek(0)
        data = self.read(size)
        self.seek(0)
        return data


def name_of(source: Source) -> str:
    """The name of a source in messages."""
    return "image" if isinstance(source, bytes) else str(source)


def _size_of_regular(path: Path | str) -> int:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise ImageError(f"{path}: is {kind}, not an image file; name a file")
    if status.st_size > MAX_BYTES:
        raise ImageError(
            f"{path}: has {status.st_size:,} bytes, over the limit of {MAX_BYTES:,}; "
            "scale it down or cut it into tiles"
        )
    return status.st_size
