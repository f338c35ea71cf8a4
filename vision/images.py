"""The decoder of all image files: to uint8 RGB, or an error that names the file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from visus.vision.errors import VisusError
from visus.vision.image_files import ARRAY_EXTENSION

Pixels = NDArray[np.uint8]
"""An image: uint8 RGB of shape (height, width, 3), or (height, width, channels) where noted."""


MAX_PIXELS = 178_956_970
"""Images that declare more pixels are refused without decoding (a gigabyte once decoded)."""

_ORIENTATION = 0x0112

# Only formats whose decoders run inside Pillow: its EPS reader, for one, starts Ghostscript.
_FORMATS = ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "AVIF"]


class ImageError(VisusError):
    """An image that cannot be read; the message names the file."""


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


def read_image(source: Path | str | bytes, upright: bool = True) -> Pixels:
    """Decode an image.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB; transparent pixels are blended with
    white.

    Args:
        source: A file, or the encoded bytes of one.
        upright: Apply the EXIF orientation; False for labels in stored pixel coordinates.

    Returns:
        uint8 RGB of shape (height, width, 3); the unchanged array of a `.npy` file.

    Raises:
        ImageError: If the file is missing, empty, truncated, animated, too large or not an image.
    """
    array = _array(source)
    if array is not None:
        return array
    with _decoded(source) as (stored, rotated, _):
        return np.asarray(_to_rgb(rotated if upright else stored))


def read_mask(source: Path | str | bytes, colours: bool = False) -> NDArray[np.uint8]:
    """Decode a mask without any conversion that would change a class.

    Args:
        source: A file, or the encoded bytes of one.
        colours: Whether classes are encoded as colours; otherwise as grey values or, in a palette
            image, as indices.

    Returns:
        uint8 of shape (height, width), or with `colours` RGB of shape (height, width, 3).

    Raises:
        ImageError: As `read_image`; or if the file cannot hold such a mask.
    """
    with _decoded(source) as (stored, image, _):
        name = _name(source)
        if stored.format == "JPEG":
            raise ImageError(f"{name}: JPEG changes the pixels of a mask; save masks as PNG")
        if image.mode.startswith("I"):
            raise ImageError(f"{name}: a 16-bit mask; save class ids as an 8-bit grey PNG")
        if colours and image.mode in ("1", "L", "P", "RGB"):
            return np.asarray(image.convert("RGB"))
        if not colours and image.mode in ("1", "L", "P"):
            return np.asarray(image).astype(np.uint8) // _stretching(source, stored)
        expected = "colours" if colours else "class ids"
        raise ImageError(
            f"{name}: is {image.mode} where a mask of {expected} is expected; save it as "
            + ("RGB" if colours else "8-bit grey, or name the colours in classes.csv")
        )


def _stretching(source: Path | str | bytes, image: Image.Image) -> int:
    """The factor by which Pillow stretches grey values of files with 2 or 4 bits per pixel."""
    if image.format == "PNG" and image.mode == "L":
        # Bits per pixel and the colour type are at fixed positions of a PNG.
        depth, grey = _read(source)[24:26]
        return {2: 85, 4: 17}.get(depth, 1) if grey == 0 else 1
    bits = getattr(image, "tag_v2", {}).get(258, (8,))[0]
    return {2: 85, 4: 17}.get(bits, 1) if image.mode == "L" else 1


def inspect_image(source: Path | str | bytes) -> ImageInfo:
    """Decode an image for its size, orientation and conversions.

    Args:
        source: A file, or the encoded bytes of one.

    Raises:
        ImageError: As `read_image`.
    """
    array = _array(source)
    if array is not None:
        height, width, channels = array.shape
        return ImageInfo(width, height, (height, width), 1, channels, ())
    with _decoded(source) as (image, rotated, pages):
        notes = []
        if image.mode == "CMYK":
            notes.append("CMYK, converted to RGB without its colour profile")
        if image.mode.startswith("I"):
            notes.append("16-bit grey, reduced to 8 bits")
        if pages > 1:
            notes.append(f"{pages} pages, only the first is used")
        orientation = image.getexif().get(_ORIENTATION, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        stored = (image.height, image.width)
        return ImageInfo(rotated.width, rotated.height, stored, orientation, 3, tuple(notes))


def _name(source: Path | str | bytes) -> str:
    return "image" if isinstance(source, bytes) else str(source)


def _read(source: Path | str | bytes) -> bytes:
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise ImageError(
            f"{_name(source)}: cannot be read ({error.strerror}); check the path"
        ) from None
    if not data:
        raise ImageError(f"{_name(source)}: the file is empty; replace or remove it")
    return data


def _array(source: Path | str | bytes) -> Pixels | None:
    """The array of a `.npy` file, or None for any other."""
    if isinstance(source, bytes):
        if not source.startswith(b"\x93NUMPY"):
            return None
    elif Path(source).suffix.lower() != ARRAY_EXTENSION:
        return None
    data = _read(source)
    name = _name(source)
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
        shape, kind = array.shape, array.dtype
    except Exception as error:
        # NumPy's reader raises errors of many classes on damaged files.
        raise ImageError(f"{name}: truncated or damaged ({error}); save it again") from None
    if kind != np.uint8 or len(shape) != 3 or not array.size:
        raise ImageError(
            f"{name}: is {kind} of shape {shape}; an image is uint8 of shape "
            "(height, width, channels)"
        )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ImageError(_bomb_message(name, f"{shape[1]} x {shape[0]} pixels"))
    return np.ascontiguousarray(array)


def visible(image: Pixels) -> Pixels:
    """An image as RGB for display: unchanged if RGB, else the first three channels, or grey.

    Args:
        image: uint8 of shape (height, width, channels).
    """
    channels = image.shape[2]
    if channels == 3:
        return image
    return np.ascontiguousarray(image[..., :3] if channels > 3 else image[..., [0, 0, 0]])


@contextmanager
def _decoded(source: Path | str | bytes) -> Iterator[tuple[Image.Image, Image.Image, int]]:
    """Yield the image in its own mode, as stored and upright, and its number of pages."""
    name, data = _name(source), _read(source)
    _register_formats()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=[f for f in _FORMATS if f in Image.OPEN])
        _refuse_bomb_and_animation(image, name)
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        image.load()
        rotated = ImageOps.exif_transpose(image)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(_bomb_message(name, "far too many pixels")) from None
    except UnidentifiedImageError:
        start = data[:12].decode("ascii", "replace").replace("\n", " ")
        raise ImageError(
            f"{name}: not an image in a known format (it starts with {start!r}); "
            "replace it with a JPEG, PNG, WebP, TIFF or BMP file"
            + ("" if find_spec("pillow_heif") else ", or pip install 'visus[heic]' to read HEIC")
        ) from None
    except Exception as error:
        # Pillow's readers raise errors of many classes on damaged files.
        raise ImageError(
            f"{name}: truncated or damaged ({error}); fetch or export it again"
        ) from None
    if image.mode == "F":
        raise ImageError(
            f"{name}: floating-point pixels have no fixed range; save it with 8 or 16 bits"
        )
    yield image, rotated, pages


def _refuse_bomb_and_animation(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_bomb_message(name, f"{image.width} x {image.height} pixels"))
    if getattr(image, "is_animated", False) and image.format in {"GIF", "WEBP", "PNG"}:
        frames = getattr(image, "n_frames", "several")
        raise ImageError(
            f"{name}: an animation of {frames} frames, not one image; save the frame you mean"
        )


def _bomb_message(name: str, size: str) -> str:
    return (
        f"{name}: declares {size}, over the limit of {MAX_PIXELS:,} pixels; "
        "scale it down or cut it into tiles"
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _register_formats() -> None:
    """Register Pillow's readers, and that of HEIC where the extra is installed."""
    Image.init()
    if "HEIF" in _FORMATS or find_spec("pillow_heif") is None:
        return
    import pillow_heif

    pillow_heif.register_heif_opener()
    _FORMATS.append("HEIF")
