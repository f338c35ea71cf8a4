import io

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from visus.vision.images import read_mask
from visus.vision.masks import IGNORE, decode_mask, encode_mask, mask_to_png

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans())
id_masks = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(masks)
def test_run_lengths_decode_to_the_mask_and_coco_reads_them(mask):
    encoded = encode_mask(mask)
    assert (decode_mask(tuple(encoded["size"]), encoded["counts"]) == mask).all()
    decoded = coco_mask.decode(coco_mask.frPyObjects(encoded, *mask.shape))
    assert (decoded.astype(bool) == mask).all()


def test_runs_that_do_not_fill_the_mask_are_refused():
    with pytest.raises(ValueError, match="7 pixels for a mask of 3 x 2"):
        decode_mask((2, 3), [3, 4])


@given(id_masks)
def test_a_png_holds_every_id(mask):
    assert (read_mask(mask_to_png(mask)) == mask).all()


@pytest.mark.parametrize("classes", [1, 2, 3, 16, 17, 255])
def test_a_palette_does_not_change_ids(classes):
    ids = np.arange(classes, dtype=np.uint8).reshape(1, -1)
    colours = [(i, 255 - i, 7) for i in range(classes)]
    assert (read_mask(mask_to_png(ids, colours)) == ids).all()
    assert IGNORE not in ids


def test_masks_are_palette_images_with_the_given_colours(tmp_path):
    path = tmp_path / "m.png"
    path.write_bytes(mask_to_png(np.array([[0, 1]], np.uint8), [(1, 2, 3), (4, 5, 6)]))
    with Image.open(path) as image:
        assert image.mode == "P" and image.convert("RGB").getpixel((1, 0)) == (4, 5, 6)


@pytest.mark.parametrize("bits", [1, 8])
def test_large_masks_of_few_ids_are_read(bits):
    # As palette images of one bit a pixel they have much less than a byte for each pixel.
    ids = np.zeros((6000, 6000), np.uint8)
    ids[:7, :7] = 1
    file = io.BytesIO()
    if bits == 1:
        image = Image.fromarray(ids)
        image.putpalette([0, 0, 0, 255, 0, 0])
        image.save(file, "PNG", bits=1)
        assert file.getvalue()[24] == 1
    else:
        file.write(mask_to_png(ids, [(0, 0, 0), (255, 0, 0)]))
    mask = read_mask(file.getvalue())
    assert mask.shape == ids.shape and mask.sum() == 49
