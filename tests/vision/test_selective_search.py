import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.vision.boxes import box_iou
from visus.vision.scenes import make_scene
from visus.vision.selective_search import selective_search


def test_every_object_of_a_scene_is_proposed():
    best = []
    for seed in range(6):
        scene = make_scene(seed, size=(120, 160), objects=(2, 4))
        truth = np.array([each.box for each in scene.objects], np.float32)
        best += box_iou(truth, selective_search(scene.image, 200)).max(1).tolist()
    assert np.mean(np.array(best) > 0.5) > 0.95


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.sampled_from([1, 3]), st.integers(0, 99))
def test_boxes_of_any_image_are_inside_and_distinct(height, width, channels, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    boxes = selective_search(image, 50)
    assert 1 <= len(boxes) <= 50 and boxes.dtype == np.float32
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
    assert (boxes <= np.array([width, height, width, height]) + 1e-3).all()
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    np.testing.assert_array_equal(selective_search(image, 50), boxes)


@pytest.mark.parametrize("count", [1, 7])
def test_the_largest_regions_come_first(count):
    image = make_scene(1, size=(120, 160)).image
    boxes = selective_search(image, count)
    assert len(boxes) == count
    np.testing.assert_allclose(boxes[0], [0, 0, 160, 120])
