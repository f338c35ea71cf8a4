"""JPEG data: their structure, and a decoding that refuses data that end too early."""

import re
from typing import Any, NamedTuple

from PIL import Image, ImageFile

from visus.vision.decoding.data import ImageError

# In coded data a 0xFF is followed by 0x00, a restart marker, or another 0xFF.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_END, _SCAN, _START, _INTERVAL = 0xD9, 0xDA, 0xD8, 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_PROGRESSIVE = 0xC2

_MAX_SEGMENTS = 10_000
"""Segments have up to 64 KiB, so that these hold more than any metadata."""

_MAX_SCANS = 100
"""Every scan passes over the whole image; encoders write up to about 20."""

# libjpeg reads up to 8 bytes ahead of the last block.
_READ_AHEAD = bytes(8)


class JpegData(NamedTuple):
    """The data of a JPEG file and its structure.

    Attributes:
        data: All bytes of the file.
        end: Position of the end marker of the first image; -1 if there is none.
        coded: Number of bytes of coded pixels, with markers between the scans.
        scans: Number of scans.
        last_scan: Position of the coded pixels of the last one.
        restarts: Whether restart markers divide the scans.
        huffman: Whether pixels are Huffman-coded, as in nearly all files.
        complete: Whether there is a scan for every bit of every coefficient.
    """

    data: bytes
    end: int
    coded: int
    scans: int
    last_scan: int
    restarts: bool
    huffman: bool
    complete: bool


def parse_jpeg(data: bytes, name: str) -> JpegData:
    """The structure of JPEG data, of their first image if there are several.

    Args:
        data: All bytes of the file.
        name: Name of the file in messages.

    Raises:
        ImageError: If there are too many segments or scans.
    """
    position, first, last, scans, end = 2, 0, 0, 0, -1
    restarts, frame = False, 0
    lacking: dict[int, bytearray] = {}
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            break
        position, code = found.end(), data[found.end() - 1]
        if code == _END:
            end = found.start()
            break
        if code in (0x01, _START):
            continue
        segment = data[position : position + max(2, int.from_bytes(data[position : position + 2]))]
        position += len(segment)
        if code == _SCAN:
            first, last, scans = first or position, position, scans + 1
            _add_scan(lacking, segment, frame == _PROGRESSIVE)
        elif code == _INTERVAL:
            restarts = True
        elif code in _FRAMES:
            frame = code
            # Of every component the number of bits that each of its 64 coefficients lacks.
            numbers = segment[8 : 8 + 3 * sum(segment[7:8]) : 3]
            lacking = {number: bytearray(b"\xff" * 64) for number in numbers}
        if scans > _MAX_SCANS:
            raise ImageError(f"{name}: a JPEG of over {_MAX_SCANS} scans; export it again")
    else:
        raise ImageError(f"{name}: a JPEG of over {_MAX_SEGMENTS:,} segments; export it again")
    coded = (end if end >= 0 else len(data)) - first if first else 0
    complete = not any(any(bits) for bits in lacking.values())
    huffman = frame in _HUFFMAN_FRAMES
    return JpegData(data, end, coded, scans, last, restarts, huffman, complete)


def _add_scan(lacking: dict[int, bytearray], segment: bytes, progressive: bool) -> None:
    """Note what a scan sends of its components, by its header."""
    count = segment[2] if len(segment) > 2 else 0
    parameters = segment[3 + 2 * count : 6 + 2 * count]
    if len(parameters) < 3:
        return
    # Some cameras write other values into sequential files, which decoders ignore.
    first, last, bits = (
        (parameters[0], parameters[1], parameters[2] & 15) if progressive else (0, 63, 0)
    )
    for number in segment[3 : 3 + 2 * count : 2]:
        if number in lacking and first <= last < 64:
            lacking[number][first : last + 1] = bytes([bits]) * (last + 1 - first)


def reduce_jpeg(image: ImageFile.ImageFile, jpeg: JpegData, least_side: int) -> None:
    """Decode an opened JPEG file at a half, a quarter or an eighth of its size, if it is larger.

    libjpeg computes the smaller blocks directly from the coefficients, which takes a fraction of
    the time. With several scans it keeps all coefficients of the file, so that little is gained.

    Args:
        image: The opened file.
        jpeg: Its data.
        least_side: Both sides keep at least this length in pixels.
    """
    if jpeg.scans == 1:
        image.draft(None, (least_side, least_side))


def load_jpeg(image: ImageFile.ImageFile, jpeg: JpegData) -> None:
    """Decode an opened JPEG file, as `image.load()` does, but never fill missing pixels.

    libjpeg replaces everything that is missing before the end marker by grey and only counts a
    warning, which Pillow does not report. So it gets the end marker only after it has decoded all
    that belongs before: until then it waits for more data, and leaves some of them unread.

    Args:
        image: The opened file.
        jpeg: Its data.

    Raises:
        OSError: If data are missing or damaged.
    """
    if jpeg.end < 0 or not jpeg.huffman:
        image.load()
        return
    if not jpeg.complete:
        raise OSError("its last scans are missing")
    name, extents, _, arguments = image.tile[0]
    decoder: Any = Image._getdecoder(image.mode, name, arguments, image.decoderconfig)
    try:
        image.load_prepare()
        decoder.setimage(image.im, extents)
        used, error = decoder.decode(jpeg.data[: jpeg.end] + _READ_AHEAD)
        missing = 0 <= used < jpeg.end + len(_READ_AHEAD)
        for more in _probes(jpeg):
            if used >= 0 and not missing:
                used, error = decoder.decode(more)
                missing = used == 0
        if missing:
            raise OSError("the data of its pixels end too early")
        if used >= 0:
            used, error = decoder.decode(b"\xff\xd9")
        if used >= 0 or error < 0:
            raise OSError(ImageFile.ERRORS.get(error, "broken data stream"))
    finally:
        decoder.cleanup()
    image.tile = []
    image.load_end()


def _probes(jpeg: JpegData) -> list[bytes]:
    """Further data of which a decoder that needs more pixels leaves some unread.

    Such a decoder reads a single byte only together with the seven that follow, or, at the end of
    a restart interval, skips it until the next marker. A decoder that has all pixels skips all.
    """
    probes = [b"\0"] * 3
    if jpeg.restarts:
        count = len(_RESTART.findall(jpeg.data, jpeg.last_scan, jpeg.end))
        probes += [bytes([0xFF, 0xD0 + count % 8]), b"\0"]
    return probes
