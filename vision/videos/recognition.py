"""Which files are videos, by their content: the container of a file from its first bytes."""

import mmap
from pathlib import Path
from typing import Literal

from visus.vision.image_files import VIDEO_EXTENSIONS

Container = Literal[
    "mp4", "matroska", "avi", "asf", "flv", "ogg", "ts", "m2ts", "program", "elementary", "ivf",
    "jpeg",
]  # fmt: skip
"""`ts` and `m2ts` are MPEG transport streams with packets of 188 and of 192 bytes, `program` MPEG
program streams, `elementary` streams of MPEG-1, MPEG-2, MPEG-4, H.264 or H.265 without a container,
and `jpeg` JPEG images one after the other."""

_IMAGES = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"PF", b"Pf", b"\x93NUMPY",
)  # fmt: skip

_IMAGE_BRANDS = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
    | {b"mif1", b"mif2", b"msf1"}
)
"""The brands of AVIF and HEIF, which share the box structure of MP4."""

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof"})

_STARTS: tuple[tuple[bytes, Container], ...] = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"FLV\x01", "flv"),
    (b"OggS", "ogg"),
    (b"DKIF", "ivf"),
    (b"\0\0\x01\xba", "program"),
    (b"\0\0\0\x01", "elementary"),
    # Sequence headers, parameter sets and delimiters; other values occur in icons.
    *((b"\0\0\x01" + bytes([code]), "elementary") for code in (0xB3, 0xB0, 0x67, 0x27, 0x47)),
    *((b"\0\0\x01" + bytes([code]), "elementary") for code in (0x09, 0x40, 0x46)),
)

_TS_PACKETS: tuple[tuple[int, int, Container], ...] = ((0, 188, "ts"), (4, 192, "m2ts"))


def is_video(path: Path) -> bool:
    """Whether a file is to be read as a video: by its content, else by its ending.

    Args:
        path: A file; one that may not be read is judged by its ending.
    """
    by_ending = path.suffix.lower() in VIDEO_EXTENSIONS
    try:
        head = _head(path)
        if container_of(path) is not None:
            return True
    except OSError:
        return by_ending
    is_image = head.startswith(_IMAGES) or head[8:12] == b"WEBP" or _is_image_box(head)
    return by_ending and not is_image


def container_of(path: Path) -> Container | None:
    """The container of a video file; None for other files.

    Raises:
        OSError: If the file cannot be read.
    """
    head = _head(path)
    if head[4:8] in _BOXES:
        return None if _is_image_box(head) else "mp4"
    if head.startswith(b"RIFF"):
        return "avi" if head[8:11] == b"AVI" else None
    for offset, size, name in _TS_PACKETS:
        # Three packets: one byte alone is too common.
        if head[offset::size][:3] == b"\x47" * 3:
            return name
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg" if _is_motion_jpeg(path) else None
    return next((name for start, name in _STARTS if head.startswith(start)), None)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(600)


def _is_image_box(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS


def _is_motion_jpeg(path: Path) -> bool:
    """Whether a second image of the same size follows the first.

    Photographs may be followed by smaller versions or, in the Multi-Picture Format, by others.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _jpeg_size(data, 0)
        end = data.find(b"\xff\xd9\xff\xd8\xff")
        return first is not None and end > 0 and _jpeg_size(data, end + 2) == first


def _jpeg_size(data: mmap.mmap, start: int) -> bytes | None:
    """Height and width as stored; None without them and in the Multi-Picture Format."""
    position = start + 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xE2 and data[position + 4 : position + 8] == b"MPF\0":
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[position + 5 : position + 9]
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
