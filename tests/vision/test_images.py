import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visus.vision.image_files import list_images
from visus.vision.images import ImageError, inspect_image, read_image, visible


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(mode="RGB"):
    values = np.linspace(0, 255, 40 * 30 * 3).reshape(30, 40, 3).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_every_mode_becomes_rgb(mode):
    pixels = read_image(encoded(gradient(mode), "PNG"))
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8


def test_transparency_is_blended_with_white():
    pixels = read_image(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"))
    assert (pixels == 255).all()


def test_sixteen_bits_keep_their_order_and_are_noted():
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    pixels = read_image(data)
    assert (pixels[..., 0] == values >> 8).all()
    assert "16-bit" in inspect_image(data).notes[0]


def test_cmyk_is_converted_and_noted():
    data = encoded(gradient("CMYK"), "JPEG")
    assert read_image(data).shape == (30, 40, 3)
    assert "CMYK" in inspect_image(data).notes[0]


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(gradient(), "JPEG", exif=exif.tobytes())
    assert read_image(data).shape == (40, 30, 3)
    assert (inspect_image(data).width, inspect_image(data).height) == (30, 40)


def bomb() -> bytes:
    """A PNG whose header declares 30,000 x 30,000 pixels."""
    data = bytearray(encoded(Image.new("L", (8, 8)), "PNG"))
    data[16:24] = (30000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def animation() -> bytes:
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 128, 255)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"just some text", "not an image"),
        (encoded(gradient(), "JPEG")[:400], "truncated"),
        (encoded(gradient(), "PNG")[:-60], "truncated"),
        (bomb(), "over the limit"),
        (animation(), "an animation"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "floating-point"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, data, words):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(data)
    for read in (read_image, inspect_image):
        with pytest.raises(ImageError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"none\.png"):
        read_image(tmp_path / "none.png")


@given(
    st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"]),
    st.binary(max_size=60),
    st.integers(0, 600),
)
def test_damaged_files_raise_no_other_error(kind, noise, start):
    data = encoded(gradient(), kind)
    try:
        read_image(data[:start] + noise + data[start + len(noise) :])
    except ImageError:
        pass


def test_list_images_leaves_out_hidden_files(tmp_path):
    for name in ("b.JPG", "a/c.png", ".hidden/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.name for p in list_images(tmp_path)] == ["c.png", "b.JPG"]


def test_an_image_can_be_read_as_stored(tmp_path):
    image = Image.new("RGB", (30, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (30, 20, 3)
    assert read_image(tmp_path / "a.jpg", upright=False).shape == (20, 30, 3)
    info = inspect_image(tmp_path / "a.jpg")
    assert (info.height, info.width) == (30, 20)
    assert info.stored == (20, 30) and info.orientation == 6


def test_an_array_of_any_channels_is_an_image(tmp_path):
    bands = np.random.default_rng(0).integers(0, 256, (6, 5, 7)).astype(np.uint8)
    np.save(tmp_path / "a.npy", bands)
    assert (read_image(tmp_path / "a.npy") == bands).all()
    info = inspect_image((tmp_path / "a.npy").read_bytes())
    assert (info.height, info.width, info.channels) == (6, 5, 7)
    assert visible(bands).shape == visible(bands[..., :1]).shape == (6, 5, 3)
    assert list_images(tmp_path, arrays=True) == [tmp_path / "a.npy"]
    assert list_images(tmp_path) == []


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: np.save(path, np.zeros((4, 4, 3))), "is float64 of shape"),
        (lambda path: np.save(path, np.zeros((4, 4), np.uint8)), r"of shape \(4, 4\)"),
        (lambda path: np.save(path, np.array([{}], object)), "is object of shape"),
        (lambda path: path.write_bytes(b"\x93NUMPY"), "truncated or damaged"),
        (lambda path: path.write_bytes(b"text"), "truncated or damaged"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
    ],
)
def test_an_array_that_is_no_image_is_refused(tmp_path, write, words):
    write(tmp_path / "a.npy")
    with pytest.raises(ImageError, match=f"a.npy: .*{words}"):
        read_image(tmp_path / "a.npy")


def test_a_transparent_colour_is_blended_with_white():
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[3:6] = (200, 10, 10)
    hidden = encoded(Image.fromarray(pixels), "PNG", transparency=(0, 0, 0))
    read = read_image(hidden)
    assert (read[0, 0] == 255).all() and (read[4, 4] == (200, 10, 10)).all()
