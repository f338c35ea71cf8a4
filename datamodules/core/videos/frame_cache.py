"""Decoded frames of clips, in a file that disappears with the process."""

import multiprocessing.reduction
import os
import shutil
import sys
import tempfile
import threading
import zlib
from typing import Any, NamedTuple

import numpy as np

from visus.models.weights_entry import cache_folder
from visus.vision.images import Pixels

Key = tuple[Any, ...]


class _Entry(NamedTuple):
    offset: int
    shape: tuple[int, ...]
    checksum: int


class FrameCache:
    """Frames as uint8 pixels within a budget, filled by one process and read by all workers.

    They lie in one unnamed file in the folder `clips` of the cache folder (`VISUS_CACHE`), which
    only this process and its workers can open and which the system removes when the last of them
    ends, however it ends. A file needs no memory of its own, unlike memory that the workers share:
    the system keeps what fits. Frames are stored as pixels, as decoding them from JPEG would take
    as long as decoding the video.

    Each frame has a checksum; one that was damaged is missing and is decoded again.

    Args:
        budget: Maximum size in bytes; less where it would leave less than half of the disk's free
            space.

    Attributes:
        full: Whether a frame did not fit.
    """

    def __init__(self, budget: int) -> None:
        folder = cache_folder() / "clips"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.budget = min(budget, shutil.disk_usage(folder).free // 2)
        self.full = False
        self._size = 0
        self._entries: dict[Key, _Entry] = {}
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)
        # Windows has no reading at a position, which processes with one file need.
        if not hasattr(os, "pread"):
            self.budget = 0

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def fileno(self) -> int:
        """Descriptor of the file."""
        return self._file.fileno()

    def add(self, key: Key, frame: Pixels) -> bool:
        """Store a frame; returns whether it fitted. Threads may call it at the same time."""
        data = np.ascontiguousarray(frame).tobytes()
        with self._lock:
            offset = self._size
            self.full |= offset + len(data) > self.budget
            if self.full:
                return False
            self._size += len(data)
        try:
            written = os.pwrite(self.fileno(), data, offset)
        except OSError:
            # The disk is full, or broken: what does not fit is decoded again.
            written = 0
        self.full |= written < len(data)
        if written == len(data):
            self._entries[key] = _Entry(offset, frame.shape, zlib.crc32(data))
        return written == len(data)

    def get(self, key: Key) -> Pixels | None:
        """A frame; None if it is not stored or damaged."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        length = int(np.prod(entry.shape))
        try:
            data = os.pread(self.fileno(), length, entry.offset)
        except OSError:
            return None
        if len(data) < length or zlib.crc32(data) != entry.checksum:
            return None
        return np.frombuffer(data, np.uint8).reshape(entry.shape)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __getstate__(self) -> dict[str, Any]:
        """For worker processes that are not forked: the descriptor is passed on."""
        state = {key: value for key, value in vars(self).items() if key not in ("_file", "_lock")}
        if sys.platform == "win32":
            # Nothing is stored there, and descriptors cannot be passed on.
            return state
        return state | {"descriptor": multiprocessing.reduction.DupFd(self.fileno())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        descriptor = state.pop("descriptor", None)
        vars(self).update(state)
        self._lock = threading.Lock()
        if descriptor is None:
            self._file = tempfile.TemporaryFile(buffering=0)
        else:
            self._file = os.fdopen(descriptor.detach(), "r+b", buffering=0)
