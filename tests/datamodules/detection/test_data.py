"""The input size of a user's own labelled images."""

import numpy as np
import pytest
from PIL import Image

from visus.datamodules.core.images import typical_size
from visus.datamodules.detection.data import ImageDetectionData


@pytest.mark.parametrize(
    ("side", "size", "least_scale"),
    [
        # In pixels of images of 1200 x 900; by default a longer side of at most 512.
        (200, (384, 512), 0.14),
        (30, (480, 640), 0.75),
        (10, (768, 1024), 1.0),
    ],
)
def test_small_objects_have_a_larger_input(tmp_path, side, size, least_scale):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("bird")
    for i in range(4):
        pixels = np.full((900, 1200, 3), 10 * i, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
        box = f"0 0.5 0.5 {side / 1200} {side / 900}\n"
        (tmp_path / "labels" / f"{i}.txt").write_text(box)
    data = ImageDetectionData(str(tmp_path), num_workers=0)
    assert data.image_size == size
    assert data.least_scale == pytest.approx(least_scale, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((900, 1200), (384, 512)), ((1200, 1200), (512, 512)), ((300, 4000), (128, 1632))],
)
def test_long_images_keep_as_many_pixels_as_others(shape, size):
    assert typical_size([shape], 512) == size


def test_large_photographs_are_not_decoded_as_a_whole(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("bird")
    image = np.zeros((1200, 1600, 3), np.uint8)
    image[400:800, 200:1000] = 255
    for i in range(5):
        image[0, 0] = 40 * i
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.jpg", quality=95)
        corners = "0.125 0.333333 0.625 0.333333 0.625 0.666667 0.125 0.666667"
        (tmp_path / "labels" / f"{i}.txt").write_text(f"0 {corners}\n")
    data = ImageDetectionData(str(tmp_path), image_size=(192, 256), augment="none", num_workers=0)
    training = data.dataset("train")
    read = training.read(training.sources[0])
    assert read.image.shape == (600, 800, 3)
    # In evaluation the metrics are those of the whole image.
    whole = data.dataset("val")
    assert whole.read(whole.sources[0]).image.shape == (1200, 1600, 3)
    sample = training[0]
    (box,) = sample["target"]["boxes"].numpy()
    np.testing.assert_allclose(box, [32, 64, 160, 128], atol=0.1)
    inside = sample["image"][0, 70:122, 38:154].float()
    assert inside.min() > 240 and sample["image"].float().mean() < 0.2 * 255
    masks = ImageDetectionData(str(tmp_path), image_size=(192, 256), masks=True, num_workers=0)
    training = masks.dataset("train")
    assert training.read(training.sources[0]).image.shape == (1200, 1600, 3)
