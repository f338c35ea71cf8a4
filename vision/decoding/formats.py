"""Open image files: the formats that are read, and what is refused before it is decoded."""

import warnings
from functools import cache
from importlib.util import find_spec

from PIL import Image, ImageFile, UnidentifiedImageError

from visus.vision.decoding.arrays import is_array, too_many_pixels
from visus.vision.decoding.data import ImageData, ImageError, Source
from visus.vision.decoding.jpeg import JpegData, parse_jpeg
from visus.vision.decoding.tiff import is_tiff, refuse_many_parts

MAX_PIXELS = 178_956_970
"""Images that declare more pixels are refused without decoding (a gigabyte once decoded)."""

# Deflate, as in PNG, reaches 1032, and a JPEG of one colour about 1000.
_MAX_RATIO = 1500
"""Samples per byte of a file; more is refused where they are above `_HARMLESS_SAMPLES`."""

_HARMLESS_SAMPLES = 2**25

_BLOCK_BYTES = 2**31 - 2**20
"""Pillow's images have blocks of at most this size; smaller images are one block."""

# Other files are in memory as a whole while they are decoded.
_READ_IN_PARTS = (b"\x89PNG", b"II", b"MM", b"BM", b"P")
_MAX_BYTES_AT_ONCE = 2**29
"""Size of the largest such file: three bytes for each of `MAX_PIXELS`."""

# Only formats whose decoders run inside Pillow: its EPS reader, for one, starts Ghostscript.
_FORMATS = ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "AVIF"]
JPEG_FORMATS = {"JPEG", "MPO"}


def open_image(data: ImageData) -> ImageFile.ImageFile:
    """Open an image file without decoding it.

    Raises:
        ImageError: If it declares far too many pixels or is of no known format.
    """
    formats = _registered_formats()
    try:
        return Image.open(data, formats=formats)
    except Image.DecompressionBombError:
        raise ImageError(
            f"{data.title}: declares far too many pixels, over the limit of {MAX_PIXELS:,} pixels; "
            "scale it down or cut it into tiles"
        ) from None
    except UnidentifiedImageError:
        start = data.start(12).decode("ascii", "replace").replace("\n", " ")
        raise ImageError(
            f"{data.title}: not an image in a known format (it starts with {start!r}); "
            "replace it with a JPEG, PNG, WebP, TIFF or BMP file"
            + ("" if "HEIF" in formats else ", or pip install 'visus[heic]' to read HEIC")
        ) from None


def check_structure(data: ImageData) -> JpegData | None:
    """Check the structure of a file; returns that of a JPEG, and None for any other.

    Raises:
        ImageError: If the structure is one that takes far too much time or memory.
    """
    start = data.start(30)
    if data.size > _MAX_BYTES_AT_ONCE and not start.startswith(_READ_IN_PARTS):
        raise ImageError(
            f"{data.title}: has {data.size:,} bytes, over the limit of {_MAX_BYTES_AT_ONCE:,} of "
            "its format; scale it down or cut it into tiles"
        )
    webp = _webp_size(start)
    if webp is not None:
        # Opening one allocates its pixels.
        _refuse_size(data.title, *webp, 3 * webp[0] * webp[1], data.size)
    if is_tiff(start[:4]):
        refuse_many_parts(data)
    if not start.startswith(b"\xff\xd8\xff"):
        return None
    jpeg = parse_jpeg(data.read(), data.title)
    data.seek(0)
    return jpeg


def memory_to_open(data: ImageData) -> int:
    """Approximate number of bytes for opening a file: of a WebP, two canvases of four channels."""
    return data.size + 8 * min(_webp_pixels(data), MAX_PIXELS)


def declared_pixels(source: Source) -> int:
    """The number of pixels that an image declares, without decoding it; 0 for an array.

    Args:
        source: A file, or the encoded bytes of one.

    Raises:
        ImageError: If it is not an image, or one that must not be opened.
    """
    if is_array(source):
        return 0
    with ImageData(source) as data:
        if pixels := _webp_pixels(data):
            return pixels
        if is_tiff(data.start(4)):
            refuse_many_parts(data)
        image = open_image(data)
        return image.width * image.height


def _webp_pixels(data: ImageData) -> int:
    """The number of pixels of a WebP; 0 for any other file."""
    width, height = _webp_size(data.start(30)) or (0, 0)
    return width * height


def _webp_size(start: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP by its first 30 bytes; None for any other file."""
    if start[:4] != b"RIFF" or start[8:12] != b"WEBP" or len(start) < 30:
        return None
    if start[12:16] == b"VP8X":
        width, height = (int.from_bytes(start[i : i + 3], "little") + 1 for i in (24, 27))
        return width, height
    if start[12:16] == b"VP8L":
        sides = int.from_bytes(start[21:25], "little")
        return sides % 2**14 + 1, (sides >> 14) % 2**14 + 1
    sides = int.from_bytes(start[26:30], "little")
    return sides % 2**14, (sides >> 16) % 2**14


def refuse_unsuitable(image: ImageFile.ImageFile, name: str, size: int, depth: int) -> None:
    """Refuse what must not be decoded.

    Args:
        image: The opened file.
        name: Name of the file in messages.
        size: Number of bytes that hold its pixels.
        depth: Bits per sample in the file.

    Raises:
        ImageError: If it declares too many pixels, holds too few bytes for them, has pixels of
            no fixed range, or is an animation.
    """
    samples = image.width * image.height * len(image.getbands())
    # Samples of fewer bits are one byte once decoded, and compress far better.
    samples = samples * (1 if image.mode == "1" else min(8, depth)) // 8
    _refuse_size(name, image.width, image.height, samples, size)
    if image.mode == "F":
        raise ImageError(
            f"{name}: floating-point pixels have no fixed range; save it with 8 or 16 bits"
        )
    if image.format in {"GIF", "WEBP", "PNG"} and getattr(image, "is_animated", False):
        raise ImageError(f"{name}: an animation, not one image; save the frame you mean")


def _refuse_size(name: str, width: int, height: int, samples: int, size: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: {too_many_pixels(width, height, MAX_PIXELS)}")
    if samples > max(_HARMLESS_SAMPLES, _MAX_RATIO * size):
        raise ImageError(
            f"{name}: declares {width} x {height} pixels in {size:,} bytes, too few to hold an "
            "image of that size; fetch or export it again"
        )


def memory_needed(image: Image.Image, depth: int, jpeg: JpegData | None, copied: bool) -> int:
    """Approximate number of bytes for decoding an image."""
    per_pixel = 1 if image.mode in ("1", "L", "P") else 4
    # Two copies of three channels exist while Pillow's pixels become an array.
    per_pixel += 6 if copied else 0
    # 16-bit pixels are decoded twice; with several scans, libjpeg keeps all coefficients.
    per_pixel += 12 if depth > 8 else 0
    per_pixel += 6 if jpeg is not None and jpeg.scans > 1 else 0
    return image.width * image.height * per_pixel


@cache
def _registered_formats() -> list[str]:
    """Pillow's names of the formats; HEIF is one of them where the extra is installed."""
    Image.init()
    # For the whole process, as threads cannot have filters of their own.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    # glibc returns blocks of over 32 MiB when they are freed; smaller ones stay with each thread.
    getattr(Image, "core").set_block_size(_BLOCK_BYTES)  # noqa: B009
    heif = find_spec("pillow_heif") is not None
    if heif:
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [each for each in [*_FORMATS, *(["HEIF"] if heif else [])] if each in Image.OPEN]
