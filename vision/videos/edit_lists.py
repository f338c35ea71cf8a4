"""Edit lists of MP4 files, which leave frames out, as after a cut in a phone."""

import mmap
from collections.abc import Iterator
from pathlib import Path


def hides_frames(path: Path) -> bool:
    """Whether a video track is shown for a shorter time than its frames last.

    Args:
        path: An MP4 file, whose structure is whole.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for movie in _boxes(data, (0, len(data)), b"moov"):
            scale, _ = _clock(data, next(_boxes(data, movie, b"mvhd"), (0, 0)))
            return any(_is_cut(data, track, scale) for track in _boxes(data, movie, b"trak"))
    return False


def _is_cut(data: mmap.mmap, track: tuple[int, int], movie_scale: int) -> bool:
    for edits in _boxes(data, track, b"edts"):
        for start, _ in _boxes(data, edits, b"elst"):
            media = next(_boxes(data, track, b"mdia"), (0, 0))
            handler, _ = next(_boxes(data, media, b"hdlr"), (0, 0))
            if data[handler + 8 : handler + 12] != b"vide":
                continue
            scale, duration = _clock(data, next(_boxes(data, media, b"mdhd"), (0, 0)))
            width = 8 if data[start] else 4
            count = _number(data, start + 4, 4)
            entry = 2 * width + 4
            begins = range(start + 8, start + 8 + entry * min(count, 1000), entry)
            shown = sum(_number(data, begin, width) for begin in begins)
            # Rounded to the movie's time scale.
            return scale > 0 and (shown + 1) * scale < duration * movie_scale
    return False


def _clock(data: mmap.mmap, box: tuple[int, int]) -> tuple[int, int]:
    """Time scale and duration of a `mvhd` or `mdhd`."""
    start, _ = box
    width = 8 if data[start] else 4
    position = start + 4 + 2 * width
    return _number(data, position, 4), _number(data, position + 4, width)


def _boxes(data: mmap.mmap, parent: tuple[int, int], name: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the contents of the boxes of this name in a box."""
    position, end = parent
    while position + 8 <= end:
        size, header = _number(data, position, 4), 8
        if size == 1:
            size, header = _number(data, position + 8, 8), 16
        if size < header:
            return
        if data[position + 4 : position + 8] == name:
            yield position + header, min(position + size, end)
        position += size


def _number(data: mmap.mmap, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")
