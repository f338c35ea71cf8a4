"""A WebM that is written in clusters, each of which plays as soon as it is written.

Element names are those of Matroska (RFC 9559). The file begins as a stream of unknown length;
`finish` appends the index and fills in the length.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from visus.apps.live.sinks.appending import AppendedFile
from visus.vision.errors import VisusError

_EBML, _SEGMENT, _SEEK_HEAD, _INFO = 0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966
_TRACKS, _CLUSTER, _CUES, _VOID = 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0xEC
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_SEEK_HEAD_SIZE = 68
_DURATION_SIZE = 11


class WebmClusters:
    """Joins Matroska files with one VP8 track.

    Args:
        path: The file to write.
        rate: Frames/s.
        size: (width, height) in pixels.

    Raises:
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self._file = AppendedFile(path)
        self._rate = rate
        self._size = size
        self._count = 0
        self._cues: list[tuple[int, int]] = []
        self._segment = self._duration = self._info = self._tracks = 0

    def add(self, segment: bytes) -> int:
        """Append a finished Matroska file; returns its number of frames.

        Raises:
            OSError: If it cannot be written; the file then ends after the previous segment.
            VisusError: If the segment is incomplete.
        """
        blocks = list(_blocks(segment))
        if not blocks:
            raise VisusError("a segment of the video is incomplete")
        head = b"" if self._cues else self._head()
        start = self._time(self._count)
        cluster, count = _unsigned(0xE7, start), self._count
        for is_key, frame in blocks:
            time = self._time(count) - start
            flags = 0x80 if is_key else 0
            cluster += _element(_SIMPLE_BLOCK, struct.pack(">BhB", 0x81, time, flags) + frame)
            # Frames that are not shown only predict later ones.
            count += bool(frame[0] & 0x10)
        position = self._file.append(head + _element(_CLUSTER, cluster)) + len(head)
        self._cues.append((start, position - self._segment))
        added, self._count = count - self._count, count
        return added

    def finish(self) -> None:
        """Append the index, and fill in positions and duration.

        Raises:
            OSError: If they cannot be written; the file plays nevertheless.
        """
        if self._cues and self._file.seekable:
            points = (
                _element(
                    0xBB,
                    _unsigned(0xB3, time)
                    + _element(0xB7, _unsigned(0xF7, 1) + _unsigned(0xF1, position)),
                )
                for time, position in self._cues
            )
            index = _element(_CUES, b"".join(points))
            cues = self._file.append(index) - self._segment
            places = ((_INFO, self._info), (_TRACKS, self._tracks), (_CUES, cues))
            seeks = b"".join(
                _element(0x4DBB, _element(0x53AB, _id(name)) + _unsigned(0x53AC, place))
                for name, place in places
            )
            self._file.overwrite(self._segment, _element(_SEEK_HEAD, seeks))
            duration = _element(0x4489, struct.pack(">d", 1000 * self._count / self._rate))
            self._file.overwrite(self._duration, duration)
            size = cues + len(index)
            self._file.overwrite(self._segment - 8, (1 << 56 | size).to_bytes(8, "big"))
        self.close()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _time(self, index: int) -> int:
        """The time of a frame in milliseconds."""
        return round(1000 * index / self._rate)

    def _head(self) -> bytes:
        numbers = (0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8), (0x4287, 4), (0x4285, 2)
        versions = b"".join(_unsigned(name, number) for name, number in numbers)
        head = _element(_EBML, versions + _element(0x4282, b"webm"))
        head += _id(_SEGMENT) + _UNKNOWN_SIZE
        self._segment = len(head)
        # The index and the duration take the place of what is reserved.
        head += _void(_SEEK_HEAD_SIZE)
        self._info = len(head) - self._segment
        names = _element(0x4D80, b"visus") + _element(0x5741, b"visus")
        info = _unsigned(0x2AD7B1, 1_000_000) + names
        head += _element(_INFO, info + _void(_DURATION_SIZE))
        self._duration = len(head) - _DURATION_SIZE
        self._tracks = len(head) - self._segment
        video = _unsigned(0xB0, self._size[0]) + _unsigned(0xBA, self._size[1])
        track = _unsigned(0xD7, 1) + _unsigned(0x73C5, 1) + _unsigned(0x83, 1)
        track += _element(0x86, b"V_VP8") + _unsigned(0x23E383, round(1e9 / self._rate))
        return head + _element(_TRACKS, _element(0xAE, track + _element(0xE0, video)))


def _blocks(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """The frames of a Matroska file, each with whether it is a key frame."""
    for name, content in _children(data):
        if name in (_SEGMENT, _CLUSTER, _BLOCK_GROUP):
            yield from _blocks(content)
        elif name in (_SIMPLE_BLOCK, _BLOCK):
            # After a number of one byte, a time of two and the flags. Bit 0 of a VP8 frame is 0
            # in key frames.
            yield not content[4] & 1, content[4:]


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in an element: name and content.

    Raises:
        VisusError: If the last one is incomplete.
    """
    position = 0
    while position < len(data):
        width = 9 - data[position].bit_length()
        name = int.from_bytes(data[position : position + width], "big")
        position += width
        width = 9 - data[position].bit_length() if position < len(data) else 9
        size = int.from_bytes(data[position : position + width], "big") & (1 << 7 * width) - 1
        position += width
        if position + size > len(data) or width > 8:
            raise VisusError("a segment of the video is incomplete")
        yield name, data[position : position + size]
        position += size


def _id(name: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big")


def _element(name: int, content: bytes) -> bytes:
    width = next(width for width in range(1, 9) if len(content) < (1 << 7 * width) - 1)
    return _id(name) + (len(content) | 1 << 7 * width).to_bytes(width, "big") + content


def _unsigned(name: int, value: int) -> bytes:
    """An unsigned number; of 8 bytes, so that its size does not depend on its value."""
    return _element(name, value.to_bytes(8, "big"))


def _void(size: int) -> bytes:
    return _element(_VOID, bytes(size - 2))
