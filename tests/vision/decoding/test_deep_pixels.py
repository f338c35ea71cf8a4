import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from visus.vision.images import ImageError, decode_image, inspect_image, read_image, read_mask


def values(bits: int, channels: int = 1) -> np.ndarray:
    ramp = np.linspace(0, 2**bits - 1, 24 * 20).reshape(24, 20).astype(np.uint16)
    return ramp if channels == 1 else np.dstack([ramp, ramp[::-1], ramp[:, ::-1], ramp][:channels])


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    return cv2.imencode(kind, pixels)[1].tobytes()


def with_significant_bits(png: bytes, bits: bytes) -> bytes:
    body = b"sBIT" + bits
    return (
        png[:33]
        + struct.pack(">I", len(bits))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + png[33:]
    )


@pytest.mark.parametrize("kind", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_values_are_scaled_by_their_measured_range(kind, channels, bits):
    pixels = values(bits, channels)
    if channels == 4:
        pixels[..., 3] = 65535
    decoded = decode_image(encoded(pixels, kind))
    shown = pixels[..., [2, 1, 0]] if channels > 1 else np.dstack([pixels] * 3)
    assert (decoded.pixels == shown >> (bits - 8)).all()
    (note,) = decoded.info.notes
    assert "16-bit" in note and (f"read as {bits} bits" in note) == (bits < 16)
    assert inspect_image(encoded(pixels, kind)) == decoded.info


@pytest.mark.parametrize("channels", [1, 3])
def test_the_declared_range_counts(channels):
    dark = values(9, channels)
    png = with_significant_bits(encoded(dark, ".png"), bytes([12] * channels))
    decoded = decode_image(png)
    assert decoded.pixels.max() == 511 >> 4
    assert "with 12 bits as declared" in decoded.info.notes[0]
    # The values show that it is wrong.
    wrong = with_significant_bits(encoded(values(16, channels), ".png"), bytes([12] * channels))
    assert (read_image(wrong) == read_image(encoded(values(16, channels), ".png"))).all()


@pytest.mark.parametrize(("tag", "kind"), [(281, "H"), (341, "H")])
def test_the_maximum_that_a_tiff_declares_counts(tag, kind):
    tags = {tag: 4095}
    buffer = io.BytesIO()
    Image.fromarray(values(9)).save(buffer, "TIFF", tiffinfo=tags)
    decoded = decode_image(buffer.getvalue())
    assert decoded.pixels.max() == 511 >> 4
    assert "with 12 bits as declared" in decoded.info.notes[0]


def test_packed_samples_of_12_bits():
    pixels = values(12)
    pairs = pixels.reshape(-1, 2).astype(int)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1
    ).astype(np.uint8)
    height, width = pixels.shape
    entries = [
        (256, width),
        (257, height),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 9 * 12 + 4),
    ]
    entries += [(277, 1), (278, height), (279, packed.size)]
    data = b"II*\0" + struct.pack("<IH", 8, len(entries))
    data += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    decoded = decode_image(data + struct.pack("<I", 0) + packed.tobytes())
    assert (decoded.pixels[..., 0] == pixels >> 4).all()


def test_a_portable_map_declares_its_maximum():
    data = b"P5 4 1 1023\n" + np.array([0, 256, 512, 1023], ">u2").tobytes()
    assert read_image(data)[0, :, 0].tolist() == [0, 64, 128, 255]


def test_masks_are_never_scaled():
    for pixels in (values(10), values(10, 3)):
        for colours in (False, True):
            with pytest.raises(ImageError, match="a 16-bit mask"):
                read_mask(encoded(pixels, ".png"), colours)


def test_32_bit_pixels_without_a_range_are_refused():
    pixels = np.linspace(0, 1_500_000, 24 * 20).reshape(24, 20).astype(np.int32)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF")
    with pytest.raises(ImageError, match=r"32-bit pixels from 0 to 1500000 have no fixed range"):
        read_image(file.getvalue())
    file = io.BytesIO()
    Image.fromarray(pixels // 40).save(file, "TIFF")
    assert len(np.unique(read_image(file.getvalue()))) > 100


def test_signed_pixels_of_16_bits_are_refused_as_such():
    file = io.BytesIO()
    height = np.arange(-5, 475, dtype=np.int16).reshape(24, 20)
    # TIFF's tag SampleFormat: 2 for signed integers.
    tags = {339: 2}
    Image.fromarray(height.astype(np.uint16)).save(file, "TIFF", tiffinfo=tags)
    with pytest.raises(ImageError, match=r"16-bit pixels from -5 to 474 have no fixed range"):
        read_image(file.getvalue())
