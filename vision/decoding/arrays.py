"""Arrays in `.npy` files as images."""

import io
import math
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from visus.vision.decoding.budget import DECODING
from visus.vision.decoding.data import ImageData, ImageError, Source
from visus.vision.image_files import ARRAY_EXTENSION

_HEADER_BYTES = 16_384


def is_array(source: Source) -> bool:
    """Whether a source is an array, by its suffix or its first bytes."""
    if isinstance(source, bytes):
        return source.startswith(npy.MAGIC_PREFIX)
    return Path(str(source)).suffix.lower() == ARRAY_EXTENSION


def read_array(source: Source, max_pixels: int) -> NDArray[np.uint8]:
    """Read an array; nothing but its header is read unless the file has the declared size.

    Args:
        source: A file, or the encoded bytes of one.
        max_pixels: Maximum of height times width.

    Returns:
        uint8 of shape (height, width, channels).

    Raises:
        ImageError: If it cannot be read, or is no such array.
    """
    with ImageData(source) as data:
        name = data.title
        header = io.BytesIO(data.start(_HEADER_BYTES))
        try:
            version = npy.read_magic(header)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, kind = read(header)
        except Exception as error:
            # NumPy's reader raises errors of many classes on damaged files.
            raise ImageError(f"{name}: truncated or damaged ({error}); save it again") from None
        if kind != np.uint8 or len(shape) != 3 or not all(shape):
            raise ImageError(
                f"{name}: is {kind} of shape {shape}; an image is uint8 of shape "
                "(height, width, channels)"
            )
        if shape[0] * shape[1] > max_pixels:
            raise ImageError(f"{name}: {too_many_pixels(shape[1], shape[0], max_pixels)}")
        size = math.prod(shape)
        if data.size - header.tell() != size:
            raise ImageError(
                f"{name}: truncated or damaged ({data.size - header.tell():,} bytes of the "
                f"{size:,} that its shape {shape} needs); save it again"
            )
        with DECODING.reserve(2 * size):
            data.seek(header.tell())
            array = np.empty(size, np.uint8)
            if data.readinto(array.data) != size:
                raise ImageError(f"{name}: truncated while it was read; save it again")
            return np.ascontiguousarray(array.reshape(shape, order="F" if fortran else "C"))


def too_many_pixels(width: int, height: int, limit: int) -> str:
    """The message for an image of more pixels than the limit."""
    return (
        f"declares {width} x {height} pixels, over the limit of {limit:,} pixels; "
        "scale it down or cut it into tiles"
    )
