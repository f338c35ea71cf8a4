"""Where the structure of a video file is interrupted: by the end of the file, or by other bytes."""

import mmap
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from visus.vision.videos.recognition import Container


def find_interruption(path: Path, container: Container | None) -> int | None:
    """The offset in bytes at which the structure of a file is interrupted; None if it is whole.

    The elements of a container state their size, so that this finds where a file was truncated or
    overwritten, whatever its frame rate is. Program streams and elementary streams hold nothing to
    check: None is returned.

    Args:
        path: A video.
        container: Of the video.
    """
    check = _CHECKS.get(container) if container is not None else None
    if check is None:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return check(data)


def _mp4(data: mmap.mmap) -> int | None:
    position, fragment = 0, None
    while position < len(data):
        size, header = int.from_bytes(data[position : position + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if size == 0 and data[position + 4 : position + 8].isalnum():
            return None
        if size < header or position + size > len(data):
            # A fragment is useless without its frames, which follow it.
            start = position if fragment is None else fragment
            return None if _only_zeros(data, position) else start
        fragment = position if data[position + 4 : position + 8] == b"moof" else None
        position += size
    return fragment


def _only_zeros(data: mmap.mmap, position: int) -> bool:
    """Whether the rest of a file is padding."""
    return re.compile(rb"[^\0]").search(data, position) is None


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
"""Matroska's Segment and Cluster, whose children are checked."""


def _matroska(data: mmap.mmap) -> int | None:
    position = end = 0
    while position < len(data):
        name, after_name = _ebml_number(data, position, 4)
        size, content = _ebml_number(data, after_name, 8)
        if name is None or size is None:
            return position
        width = content - after_name
        # All ones: written to a stream, the size is unknown.
        unknown = size == (1 << 7 * width + 1) - 1
        size -= 1 << 7 * width
        if name in (_SEGMENT, _CLUSTER):
            end = end if unknown else max(end, content + size)
            position = content
        elif content + size > len(data):
            return position
        else:
            position = content + size
    return len(data) if end > len(data) else None


def _ebml_number(data: mmap.mmap, position: int, longest: int) -> tuple[int | None, int]:
    """A number with the bit that marks its length, and where it ends; None for other bytes."""
    if position >= len(data) or not data[position]:
        return None, position
    end = position + 9 - data[position].bit_length()
    if end - position > longest or end > len(data):
        return None, position
    return int.from_bytes(data[position:end], "big"), end


def _avi(data: mmap.mmap) -> int | None:
    position = 0
    while position + 8 <= len(data):
        name, kind = data[position : position + 4], data[position + 8 : position + 12]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"RIFF" or kind in (b"movi", b"rec "):
            position += 12
            continue
        if not name.isalnum() and name.strip(b" ") != b"JUNK":
            return None if _only_zeros(data, position) else position
        position += 8 + size + size % 2
    # The last chunk needs no padding.
    return len(data) if position > len(data) + 1 else None


_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf(data: mmap.mmap) -> int | None:
    position = data.find(_ASF_FILE_PROPERTIES, 0, 1 << 16)
    size = int.from_bytes(data[position + 40 : position + 48], "little") if position > 0 else 0
    return len(data) if size > len(data) else None


def _flv(data: mmap.mmap) -> int | None:
    position = int.from_bytes(data[5:9], "big") + 4
    while position < len(data):
        size = 11 + int.from_bytes(data[position + 1 : position + 4], "big")
        stored = data[position + size : position + size + 4]
        # Each tag is followed by its size.
        if data[position] & 0x1F not in (8, 9, 18) or int.from_bytes(stored, "big") != size:
            return position
        position += size + 4
    return None


def _ogg(data: mmap.mmap) -> int | None:
    position = flags = 0
    while position < len(data):
        segments = position + 27
        end = segments + data[position + 26] if segments <= len(data) else segments
        if data[position : position + 4] != b"OggS" or end > len(data):
            return position
        flags = data[position + 5]
        position = end + sum(data[segments:end])
    # The last page is marked as such.
    return None if position == len(data) and flags & 4 else len(data)


def _ivf(data: mmap.mmap) -> int | None:
    position = int.from_bytes(data[6:8], "little")
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        if position + 12 + size > len(data):
            return position
        position += 12 + size
    return None


def _transport(data: mmap.mmap, size: int) -> int | None:
    whole = len(data) // size * size
    packets = np.frombuffer(data, np.uint8, whole).reshape(-1, size)
    wrong = np.flatnonzero(packets[:, size - 188] != 0x47)
    # The array holds the map open.
    first = int(wrong[0]) * size if len(wrong) else None
    del packets
    return whole if first is None and whole < len(data) else first


def _jpeg(data: mmap.mmap) -> int | None:
    end = len(data)
    while end and not data[end - 1]:
        end -= 1
    last = data.rfind(b"\xff\xd8\xff")
    return None if data[end - 2 : end] == b"\xff\xd9" else last


def start_time(path: Path, container: Container | None) -> float:
    """The time of the first frame in seconds, where the declared duration includes it, else 0.

    Args:
        path: A video.
        container: Of the video.
    """
    if container != "matroska":
        return 0.0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cluster = data.find(_CLUSTER.to_bytes(4, "big"))
        _, position = _ebml_number(data, cluster + 4, 8)
        if data[position : position + 2] == b"\xbf\x84":
            # A checksum of four bytes.
            position += 6
        if cluster < 0 or data[position : position + 1] != b"\xe7":
            return 0.0
        number, content = _ebml_number(data, position + 1, 8)
        size = (number or 0) - (1 << 7 * (content - position - 1))
        # In milliseconds, which files of sound alone may change.
        return int.from_bytes(data[content : content + size], "big") / 1000 if size > 0 else 0.0


_CHECKS: dict[Container, Callable[[mmap.mmap], int | None]] = {
    "mp4": _mp4,
    "matroska": _matroska,
    "avi": _avi,
    "asf": _asf,
    "flv": _flv,
    "ogg": _ogg,
    "ivf": _ivf,
    "ts": lambda data: _transport(data, 188),
    "m2ts": lambda data: _transport(data, 192),
    "jpeg": _jpeg,
}
