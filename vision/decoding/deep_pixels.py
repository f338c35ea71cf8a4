"""Reduce images of more than 8 bits per sample to 8, by the range of values that they hold."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from visus.vision.decoding.data import ImageData, ImageError

_DEPTHS = (10, 12, 16)
"""Significant bits of cameras and scanners, of which files declare none."""

_BITS_PER_SAMPLE, _MAX_SAMPLE, _SMAX_SAMPLE = 258, 281, 341


def stored_depth(image: ImageFile.ImageFile, data: ImageData) -> int:
    """Bits per sample in the file; 8 where its format has no others.

    Args:
        image: The opened file.
        data: Its data.
    """
    if image.format == "PNG":
        return data.start(25)[24]
    if image.format == "TIFF":
        return int(max(_numbers(image, _BITS_PER_SAMPLE), default=8))
    return 16 if image.mode.startswith("I") else 8


def to_eight_bits(
    image: ImageFile.ImageFile, depth: int, data: ImageData, name: str
) -> tuple[Image.Image, str]:
    """Reduce a decoded image of more than 8 bits per sample.

    The bits that a file declares count, unless it holds larger values; where it declares none, the
    largest value shows whether they are 10, 12 or 16. Without this, an image of 12 bits in a
    16-bit file would be nearly black.

    Args:
        image: The decoded image; of 16-bit colours Pillow has kept the upper 8 bits.
        depth: Bits per sample in the file.
        data: Its data.
        name: Name of the file in messages.

    Returns:
        The image in a mode of 8 bits, and a note on the conversion.

    Raises:
        ImageError: If grey values are negative, or do not fit into 16 bits.
    """
    declared = _declared_bits(image, depth, data)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if not 0 <= int(values.min()) <= int(values.max()) <= 65535:
            raise ImageError(
                f"{name}: {depth}-bit pixels from {values.min()} to {values.max()} have no fixed "
                "range; scale them to unsigned 8 or 16 bits"
            )
        values = values.astype(np.uint16) if values.itemsize > 2 else values
        bits, note = _significant_bits(int(values.max()), declared)
        reduced = Image.fromarray((values >> (bits - 8)).astype(np.uint8))
        return reduced, f"16-bit grey{note}, reduced to 8 bits"
    colours = image.getbands()[: 1 if image.mode.startswith("L") else 3]
    upper = max(int(image.getchannel(band).getextrema()[1]) for band in colours)  # type: ignore[arg-type]
    bits, note = _significant_bits((upper << 8) + 255, declared)
    if bits < 16 and image.mode in ("RGB", "RGBA", "LA"):
        all_bits = _all_bits(image, data)
        if all_bits is not None:
            bits, note = _significant_bits(int(all_bits[..., :3].max()), declared)
            image_of_bits = (all_bits >> (bits - 8)).clip(0, 255).astype(np.uint8)
            return Image.fromarray(image_of_bits), f"16-bit colours{note}, reduced to 8 bits"
    if isinstance(transparent := image.info.get("transparency"), tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    return image, "16-bit colours, reduced to 8 bits"


def _significant_bits(peak: int, declared: int | None) -> tuple[int, str]:
    """The bits that values up to `peak` use, and how they are known, for a note."""
    if declared is not None:
        bits = declared if peak < 2**declared else 16
        return bits, f" with {bits} bits as declared" if bits < 16 else ""
    bits = next(bits for bits in _DEPTHS if peak < 2**bits)
    return bits, f" with values up to {peak}, read as {bits} bits" if bits < 16 else ""


def _declared_bits(image: ImageFile.ImageFile, depth: int, data: ImageData) -> int | None:
    """Significant bits of 8 to 16 by the file's metadata; None if there are none."""
    declared = depth
    if image.format == "PNG":
        declared = max(_significant_bits_chunk(data), default=depth)
    elif image.format == "TIFF":
        peaks = _numbers(image, _SMAX_SAMPLE) or _numbers(image, _MAX_SAMPLE)
        declared = min(depth, int(max(peaks, default=2**depth - 1)).bit_length())
    elif image.format == "PPM":
        # Pillow scales its values to 16 bits by the maximum that it declares.
        return 16
    return declared if 8 <= declared < 16 else None


def _significant_bits_chunk(data: ImageData) -> bytes:
    """The bits per channel that a PNG declares in its chunk sBIT; empty without one."""
    data.seek(8)
    while len(head := data.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"sBIT":
            return data.read(min(length, 4))
        if kind in (b"PLTE", b"IDAT"):
            break
        data.seek(length + 4, 1)
    return b""


def _numbers(image: ImageFile.ImageFile, tag: int) -> list[float]:
    """The finite numbers of a tag of a TIFF."""
    values = getattr(image, "tag_v2", {}).get(tag, ())
    values = values if isinstance(values, tuple) else (values,)
    return [v for v in values if isinstance(v, int | float) and 0 < v < 2**32]


def _all_bits(image: Image.Image, data: ImageData) -> NDArray[np.uint16] | None:
    """16-bit RGB or RGBA of the whole file, which OpenCV reads unchanged; None if it cannot."""
    # Late: commands check their arguments without OpenCV.
    import cv2

    encoded = np.frombuffer(data.start(data.size), np.uint8)
    values = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[:2] != image.size[::-1]:
        return None
    if values.ndim == 2 or values.shape[2] not in (3, 4):
        return None
    order = cv2.COLOR_BGR2RGB if values.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(values, order), np.uint16)
