"""The first directory of TIFF data, which lists the parts that hold the pixels."""

import struct

from visus.vision.decoding.data import ImageData, ImageError

_OFFSETS = {273, 324}
"""The tags with the positions of strips and tiles."""

_MAX_PARTS = 2**18
"""Strips or tiles; Pillow needs 10 microseconds and 300 bytes for each."""


def is_tiff(start: bytes) -> bool:
    """Whether the first four bytes of a file are those of a TIFF."""
    return start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def refuse_many_parts(data: ImageData) -> None:
    """Refuse a TIFF of far too many strips or tiles, before any list of them is built.

    Args:
        data: The data of the file; anything that is damaged is left to the decoder.

    Raises:
        ImageError: If there are too many.
    """
    head = data.start(16)
    order, large = ("<" if head[:2] == b"II" else ">"), b"+" in head[2:4]
    try:
        data.seek(struct.unpack_from(f"{order}{'Q' if large else 'I'}", head, 8 if large else 4)[0])
        (entries,) = struct.unpack(f"{order}{'Q' if large else 'H'}", data.read(8 if large else 2))
        size = 20 if large else 12
        directory = data.read(size * min(entries, 2**16))
        for position in range(0, len(directory) - size + 1, size):
            layout = f"{order}HH{'Q' if large else 'I'}"
            tag, _, count = struct.unpack_from(layout, directory, position)
            if tag in _OFFSETS and count > _MAX_PARTS:
                raise ImageError(
                    f"{data.title}: a TIFF of {count:,} strips or tiles, over the limit of "
                    f"{_MAX_PARTS:,}; export it again with larger ones"
                )
    except (struct.error, ValueError, OverflowError, OSError):
        pass
    data.seek(0)
