import pytest
from faster_coco_eval.core import mask as coco_mask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from visus.vision.masks import decode_mask, encode_mask

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans())


@given(masks)
def test_masks_survive_and_coco_reads_them_alike(mask):
    told = encode_mask(mask)
    assert (decode_mask(tuple(told["size"]), told["counts"]) == mask).all()
    read = coco_mask.decode(coco_mask.frPyObjects(told, *mask.shape))
    assert (read.astype(bool) == mask).all()


def test_runs_that_do_not_fill_the_mask_are_refused():
    with pytest.raises(ValueError, match="7 pixels for a mask of 3 x 2"):
        decode_mask((2, 3), [3, 4])
