import io

import numpy as np
import pytest
from PIL import Image

from visus.vision.images import ImageError, inspect_image, read_image

KINDS = [
    {},
    {"progressive": True},
    {"subsampling": 0},
    {"progressive": True, "subsampling": 0},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 3, "progressive": True},
    {"optimize": True, "quality": 95},
    {"keep_rgb": True, "quality": 40},
]


def photograph(mode="RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (6, 9, 3)), np.ones((16, 16, 1)))[:91, :139]
    noisy = blocks + rng.normal(0, 12, blocks.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_file_that_was_cut_and_closed_is_refused(options, mode):
    if mode != "RGB":
        options = {k: v for k, v in options.items() if k not in ("subsampling", "keep_rgb")}
    data = jpeg(photograph(mode), **options)
    for share in (0.35, 0.5, 0.65, 0.8, 0.95):
        for ending in (b"\xff\xd9", b"\xff\xff\xd9", b"\xff\xd9" + data):
            with pytest.raises(ImageError, match="truncated or damaged"):
                read_image(data[: int(len(data) * share)] + ending)


def intact() -> dict[str, bytes]:
    files = {f"{mode} {o}": jpeg(photograph(mode), **o) for mode in ("RGB", "L") for o in KINDS[:2]}
    for colour in ("black", "white", "#808080", "red"):
        for options in KINDS[:6]:
            files[f"{colour} {options}"] = jpeg(Image.new("RGB", (133, 77), colour), **options)
    files["one pixel"] = jpeg(Image.new("RGB", (1, 1)), progressive=True)
    data = jpeg(photograph())
    files["bytes after the end"] = data + b"\xff\xda\x00 more"
    exif = Image.Exif()
    exif[0x010E] = "\u00ff" * 99
    thumbnail = jpeg(Image.new("RGB", (16, 16)))
    files["a thumbnail"] = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    files["a thumbnail"] += data[2:]
    files["fill bytes"] = data[:-2] + b"\xff\xff\xff\xd9"
    buffer = io.BytesIO()
    photograph().save(buffer, "MPO", save_all=True, append_images=[Image.new("RGB", (139, 91))])
    files["several images"] = buffer.getvalue()
    return files


@pytest.mark.parametrize("name", intact())
def test_intact_files_are_decoded_as_pillow_does(name):
    data = intact()[name]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert (read_image(data) == expected).all()


def test_damaged_scans_are_refused():
    data = jpeg(photograph(), progressive=True)
    scan = data.rindex(b"\xff\xda")
    many = data[:-2] + data[scan:-2] * 200 + b"\xff\xd9"
    with pytest.raises(ImageError, match="over 100 scans"):
        inspect_image(many)
    with pytest.raises(ImageError, match="over 10,000 segments"):
        inspect_image(data[:2] + b"\xff\xfe\x00\x02" * 20_000 + data[2:])


def large(**options) -> bytes:
    image = photograph().resize((800, 504), Image.Resampling.BICUBIC)
    return jpeg(image, **options)


@pytest.mark.parametrize(
    ("least_side", "size"),
    [(505, (504, 800)), (250, (252, 400)), (100, (126, 200)), (9, (63, 100))],
)
def test_a_large_image_may_be_decoded_at_a_fraction_of_its_size(least_side, size):
    reduced = read_image(large(), least_side=least_side)
    assert reduced.shape[:2] == size
    whole = Image.fromarray(read_image(large()))
    expected = np.asarray(whole.resize(size[::-1], Image.Resampling.BOX))
    assert np.abs(reduced.astype(int) - expected).mean() < 2


def test_other_files_are_decoded_as_a_whole():
    assert read_image(large(progressive=True), least_side=9).shape == (504, 800, 3)
    buffer = io.BytesIO()
    photograph().save(buffer, "PNG")
    assert read_image(buffer.getvalue(), least_side=9).shape == (91, 139, 3)


def test_the_orientation_of_a_reduced_image_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(large(exif=exif), least_side=250).shape == (400, 252, 3)


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"subsampling": 0}])
def test_a_cut_file_is_refused_where_it_is_reduced(options):
    data = large(**options)
    for share in (0.35, 0.65, 0.95):
        with pytest.raises(ImageError, match="truncated or damaged"):
            read_image(data[: int(len(data) * share)] + b"\xff\xd9", least_side=100)
