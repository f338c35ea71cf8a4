"""The decoder of all image files: to uint8 RGB, or an error that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from visus.vision.decoding.arrays import is_array, read_array
from visus.vision.decoding.budget import DECODING, MemoryShortageError
from visus.vision.decoding.data import ImageData, ImageError, Source, name_of
from visus.vision.decoding.deep_pixels import stored_depth, to_eight_bits
from visus.vision.decoding.formats import (
    JPEG_FORMATS,
    MAX_PIXELS,
    check_structure,
    memory_needed,
    memory_to_open,
    open_image,
    refuse_unsuitable,
)
from visus.vision.decoding.jpeg import load_jpeg, reduce_jpeg
from visus.vision.errors import VisusError

__all__ = [
    "MAX_PIXELS",
    "DecodedImage",
    "ImageError",
    "ImageInfo",
    "MemoryShortageError",
    "Pixels",
    "decode_image",
    "inspect_image",
    "read_image",
    "read_mask",
    "to_rgb",
    "visible",
]

Pixels = NDArray[np.uint8]
"""An image: uint8 RGB of shape (height, width, 3), or (height, width, channels) where noted."""


_ORIENTATION = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageInfo:
    """Properties of an image, from a full decoding.

    Attributes:
        width: Width in pixels, as displayed (EXIF orientation applied).
        height: Height in pixels, as displayed.
        stored: (height, width) in pixels before the orientation is applied.
        orientation: EXIF orientation, 1 (upright) to 8.
        channels: 3, as images become RGB; the channels of the array for a `.npy` file.
        notes: Lossy or unexpected conversions, such as CMYK to RGB.
    """

    width: int
    height: int
    stored: tuple[int, int]
    orientation: int
    channels: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image with its properties.

    Attributes:
        pixels: As `read_image` returns them.
        info: Properties of the file.
    """

    pixels: Pixels
    info: ImageInfo


def read_image(source: Source, upright: bool = True, least_side: int | None = None) -> Pixels:
    """Decode an image.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB; transparent pixels are blended with
    white. Images of 10 or 12 bits in 16-bit files are scaled by the range that the file declares,
    or else by their largest value.

    Args:
        source: A file, or the encoded bytes of one.
        upright: Apply the EXIF orientation; False for labels in stored pixel coordinates.
        least_side: A JPEG file of one scan is decoded at a half, a quarter or an eighth of its size
            if both sides still have this length in pixels; None to decode all pixels.

    Returns:
        uint8 RGB of shape (height, width, 3); the unchanged array of a `.npy` file.

    Raises:
        ImageError: If the file is missing, empty, truncated, animated, too large or not an image.
        MemoryShortageError: If there is not enough memory; the image may be intact.
    """
    return decode_image(source, upright, least_side).pixels


def decode_image(
    source: Source, upright: bool = True, least_side: int | None = None
) -> DecodedImage:
    """Decode an image as `read_image` does, with its size, orientation and conversions."""
    if is_array(source):
        array = _read_array(source)
        return DecodedImage(array, _info_of_array(array))
    with _decoded(source, copied=True, least_side=least_side) as decoded:
        image = _upright(decoded) if upright else decoded.image
        return DecodedImage(np.asarray(to_rgb(image)), _info(decoded))


def inspect_image(source: Source) -> ImageInfo:
    """Decode an image for its size, orientation and conversions.

    Args:
        source: A file, or the encoded bytes of one.

    Raises:
        ImageError: As `read_image`.
        MemoryShortageError: As `read_image`.
    """
    if is_array(source):
        return _info_of_array(_read_array(source))
    # Small JPEG blocks take less time, and need the same data.
    with _decoded(source, copied=False, least_side=1) as decoded:
        return _info(decoded)


def read_mask(source: Source, colours: bool = False) -> NDArray[np.uint8]:
    """Decode a mask without any conversion that would change a class.

    Args:
        source: A file, or the encoded bytes of one.
        colours: Whether classes are encoded as colours; otherwise as grey values or, in a palette
            image, as indices.

    Returns:
        uint8 of shape (height, width), or with `colours` RGB of shape (height, width, 3).

    Raises:
        ImageError: As `read_image`; or if the file cannot hold such a mask.
        MemoryShortageError: As `read_image`.
    """
    with _decoded(source, copied=True) as decoded:
        name = name_of(source)
        if decoded.format in JPEG_FORMATS:
            raise ImageError(f"{name}: JPEG changes the pixels of a mask; save masks as PNG")
        if decoded.depth > 8:
            kind = "colours as an 8-bit RGB PNG" if colours else "class ids as an 8-bit grey PNG"
            raise ImageError(f"{name}: a 16-bit mask; save {kind}")
        image = _upright(decoded)
        if colours and image.mode in ("1", "L", "P", "RGB"):
            return np.asarray(image.convert("RGB"))
        if not colours and image.mode in ("1", "L", "P"):
            # Pillow stretches grey values of 2 and 4 bits to 0 to 255.
            stretching = {2: 85, 4: 17}.get(decoded.depth, 1) if image.mode == "L" else 1
            return np.asarray(image).astype(np.uint8) // stretching
        expected = "colours" if colours else "class ids"
        raise ImageError(
            f"{name}: is {image.mode} where a mask of {expected} is expected; save it as "
            + ("RGB" if colours else "8-bit grey, or name the colours in classes.csv")
        )


def visible(image: Pixels) -> Pixels:
    """An image as RGB for display: unchanged if RGB, else the first three channels, or grey.

    Args:
        image: uint8 of shape (height, width, channels).
    """
    channels = image.shape[2]
    if channels == 3:
        return image
    return np.ascontiguousarray(image[..., :3] if channels > 3 else image[..., [0, 0, 0]])


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A decoded image as stored, in a mode of 8 bits per sample; `size` is that of the file."""

    image: Image.Image
    size: tuple[int, int]
    format: str
    depth: int
    orientation: int
    notes: tuple[str, ...]


@contextmanager
def _decoded(source: Source, copied: bool, least_side: int | None = None) -> Iterator[_Decoded]:
    """Yield the decoded image; memory for it, and for RGB copies of it, is reserved until then."""
    needed = 0
    name = name_of(source)
    try:
        with ImageData(source) as data:
            needed = memory_to_open(data)
            with DECODING.reserve(needed):
                jpeg = check_structure(data)
                image = open_image(data)
            depth = stored_depth(image, data)
            refuse_unsuitable(image, name, jpeg.coded if jpeg else data.size, depth)
            size = image.size
            if least_side is not None and jpeg is not None and image.format in JPEG_FORMATS:
                reduce_jpeg(image, jpeg, least_side)
            needed = 2 * data.size + memory_needed(image, depth, jpeg, copied)
            with DECODING.reserve(needed):
                notes = _notes(image)
                if jpeg is not None and image.format in JPEG_FORMATS:
                    load_jpeg(image, jpeg)
                else:
                    image.load()
                orientation = image.getexif().get(_ORIENTATION, 1)
                pixels: Image.Image = image
                if depth > 8:
                    pixels, note = to_eight_bits(image, depth, data, name)
                    notes.append(note)
                orientation = orientation if orientation in range(1, 9) else 1
                yield _Decoded(pixels, size, image.format or "", depth, orientation, tuple(notes))
    except VisusError:
        raise
    except MemoryError:
        raise _shortage(name, needed) from None
    except Exception as error:
        # Pillow's readers raise errors of many classes on damaged files, and libraries below it
        # call a lack of memory a damaged file.
        try:
            bytearray(needed)
        except MemoryError:
            raise _shortage(name, needed) from None
        raise ImageError(
            f"{name}: truncated or damaged ({error}); fetch or export it again"
        ) from None


def _notes(image: ImageFile.ImageFile) -> list[str]:
    notes = []
    if image.mode == "CMYK":
        notes.append("CMYK, converted to RGB without its colour profile")
    # Counting the pages would read all of them.
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        notes.append("several pages, only the first is used")
    return notes


def _shortage(name: str, needed: int) -> MemoryShortageError:
    return MemoryShortageError(
        f"{name}: not enough memory to decode it, which takes about {needed / 2**20:,.0f} MB; "
        "close other programs, or load with fewer workers (--data.num_workers)"
    )


def _upright(decoded: _Decoded) -> Image.Image:
    method = _TRANSPOSITIONS.get(decoded.orientation)
    return decoded.image if method is None else decoded.image.transpose(method)


def _info(decoded: _Decoded) -> ImageInfo:
    width, height = decoded.size
    shown = (height, width) if decoded.orientation >= 5 else (width, height)
    return ImageInfo(*shown, (height, width), decoded.orientation, 3, decoded.notes)


def _read_array(source: Source) -> Pixels:
    try:
        return read_array(source, MAX_PIXELS)
    except MemoryError:
        raise _shortage(name_of(source), 0) from None


def _info_of_array(array: Pixels) -> ImageInfo:
    height, width, channels = array.shape
    return ImageInfo(width, height, (height, width), 1, channels, ())


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of 8 bits in RGB, transparent pixels blended with white."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
