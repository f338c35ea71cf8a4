"""The input size of a user's own labelled images."""

import numpy as np
import pytest
from PIL import Image

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
