"""An MP4 that is written in fragments, each of which plays as soon as it is written.

Box names and layouts are those of ISO/IEC 14496-12. The file begins with the tables of a stream of
unknown length and grows by a `moof` and an `mdat` for each segment. `finish` appends the tables of
an ordinary MP4 and declares all that came before them as one `mdat`.
"""

from collections.abc import Iterator
from pathlib import Path

from visus.apps.live.sinks.appending import AppendedFile
from visus.vision.errors import VisusError

_UNITS = 1000
"""Time units of a frame; the time scale is this times the frame rate."""

_MATRIX = b"".join(
    value.to_bytes(4, "big") for value in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
)
_KEY_FRAME, _OTHER_FRAME = 0x02000000, 0x01010000


class FragmentedMp4:
    """Joins MP4 files with one video track and without reordered frames.

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
        self._description = b""
        self._reserved = 0
        self._sizes: list[int] = []
        self._keys: list[int] = []
        self._chunks: list[tuple[int, int]] = []

    def add(self, segment: bytes) -> int:
        """Append a finished MP4 file; returns its number of frames.

        Raises:
            OSError: If it cannot be written; the file then ends after the previous segment.
            VisusError: If the segment is incomplete.
        """
        tables = _Tables(segment)
        out = b""
        if not self._description:
            self._description = tables.description
            head = _box("ftyp", b"isom", _u32(0x200), b"isomiso5mp42") + _box("free", bytes(8))
            self._reserved = len(head) - 16
            out = head + self._moov(fragmented=True)
        first = len(self._sizes)
        keys = set(tables.keys)
        samples = b"".join(
            _u32(size, _KEY_FRAME if i in keys else _OTHER_FRAME)
            for i, size in enumerate(tables.sizes)
        )
        # The frames follow the `moof`, whose size does not depend on the offset.
        offset = len(self._moof(samples, len(tables.sizes), first, 0)) + 8
        out += self._moof(samples, len(tables.sizes), first, offset)
        data = _box("mdat", tables.frames)
        start = self._file.append(out + data)
        self._chunks.append((start + len(out) + 8, len(tables.sizes)))
        self._keys += [first + i for i in tables.keys]
        self._sizes += tables.sizes
        return len(tables.sizes)

    def finish(self) -> None:
        """Append the tables of an ordinary MP4.

        Raises:
            OSError: If they cannot be written; the file plays nevertheless.
        """
        if self._sizes and self._file.seekable:
            end = self._file.append(self._moov(fragmented=False))
            # The reserved box becomes the header of an `mdat` with a size of 64 bits.
            header = _u32(1) + b"mdat" + (end - self._reserved).to_bytes(8, "big")
            self._file.overwrite(self._reserved, header)
        self.close()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _moof(self, samples: bytes, count: int, first: int, offset: int) -> bytes:
        track = _full_box("tfhd", 0, 0x020000, _u32(1))
        time = _full_box("tfdt", 1, 0, (first * _UNITS).to_bytes(8, "big"))
        run = _full_box("trun", 0, 0x000601, _u32(count, offset), samples)
        number = _full_box("mfhd", 0, 0, _u32(len(self._chunks) + 1))
        return _box("moof", number, _box("traf", track, time, run))

    def _moov(self, fragmented: bool) -> bytes:
        scale, count = round(self._rate * _UNITS), len(self._sizes)
        duration = count * _UNITS
        width, height = self._size
        clock = bytes(16) + _u32(scale) + duration.to_bytes(8, "big")
        movie = _full_box(
            "mvhd", 1, 0, clock, _u32(0x10000), b"\1\0", bytes(10), _MATRIX, bytes(24), _u32(2)
        )
        header = _full_box(
            "tkhd", 1, 3, bytes(16), _u32(1, 0), duration.to_bytes(8, "big"), bytes(16), _MATRIX,
            _u32(width << 16, height << 16),
        )  # fmt: skip
        media = _box(
            "mdia",
            _full_box("mdhd", 1, 0, clock, b"\x55\xc4\0\0"),
            _full_box("hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"Video\0"),
            _box(
                "minf",
                _full_box("vmhd", 0, 1, bytes(8)),
                _box("dinf", _full_box("dref", 0, 0, _u32(1), _full_box("url ", 0, 1))),
                _box("stbl", *self._sample_tables()),
            ),
        )
        extends = _box("mvex", _full_box("trex", 0, 0, _u32(1, 1, _UNITS, 0, 0)))
        return _box("moov", movie, _box("trak", header, media), extends if fragmented else b"")

    def _sample_tables(self) -> Iterator[bytes]:
        sizes, chunks, keys = self._sizes, self._chunks, self._keys
        yield self._description
        yield _full_box("stts", 0, 0, _u32(1, len(sizes), _UNITS) if sizes else _u32(0))
        lengths = [
            _u32(i + 1, length, 1)
            for i, (_, length) in enumerate(chunks)
            if i == 0 or length != chunks[i - 1][1]
        ]
        yield _full_box("stsc", 0, 0, _u32(len(lengths)), *lengths)
        yield _full_box("stsz", 0, 0, _u32(0, len(sizes), *sizes))
        offsets = [offset.to_bytes(8, "big") for offset, _ in chunks]
        yield _full_box("co64", 0, 0, _u32(len(chunks)), *offsets)
        if keys:
            yield _full_box("stss", 0, 0, _u32(len(keys), *(key + 1 for key in keys)))


class _Tables:
    """The frames of an MP4 file and their tables.

    Attributes:
        description: The box `stsd`, with the parameters of the decoder.
        sizes: The size of each frame in bytes.
        keys: Indices of the key frames.
        frames: All frames, one after the other.
    """

    def __init__(self, data: bytes) -> None:
        try:
            file = _children(data)
            table = data
            for name in ("moov", "trak", "mdia", "minf", "stbl"):
                table = _children(table)[name]
            tables = _children(table)
            # One size for all frames, or 0 and a table.
            _, size, count, *sizes = _numbers(tables["stsz"])
            self.sizes = [size] * count if size else sizes
            self.frames = file["mdat"]
        except (KeyError, ValueError):
            raise VisusError("a segment of the video is incomplete") from None
        if not self.frames or sum(self.sizes) != len(self.frames):
            raise VisusError("a segment of the video is incomplete")
        self.keys = [number - 1 for number in _numbers(tables.get("stss", b"")[8:])]
        self.description = _box("stsd", tables["stsd"])


def _children(data: bytes) -> dict[str, bytes]:
    """The contents of the boxes in a box, by their names; of the first of each name."""
    found: dict[str, bytes] = {}
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size < 8:
            break
        name = data[position + 4 : position + 8].decode("latin-1")
        found.setdefault(name, data[position + 8 : position + size])
        position += size
    return found


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data) - 3, 4)]


def _u32(*values: int) -> bytes:
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "big") for value in values)


def _box(name: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _u32(8 + len(content)) + name.encode("ascii") + content


def _full_box(name: str, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(name, _u32(version << 24 | flags), *parts)
