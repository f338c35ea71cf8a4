import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.vision.resize import resize_to_input, to_channels, to_planes
from visus.vision.scenes import make_scene

sides = st.integers(1, 60)
modes = st.sampled_from(["stretch", "letterbox", "crop"])


@given(sides, sides, sides, sides, modes)
def test_size_and_inverse_map(height, width, to_height, to_width, mode):
    image = np.zeros((height, width, 3), np.uint8)
    resized, geometry = resize_to_input(image, (to_height, to_width), mode)
    assert resized.shape == (to_height, to_width, 3)
    points = np.array([[0, 0], [width, height], [width / 2, height / 3]], np.float32)
    back = geometry.points_to_source(geometry.points_from_source(points))
    np.testing.assert_allclose(back, points, atol=1e-3)
    assert geometry.mask_to_source(np.ones((to_height, to_width), int)).shape == (height, width)


@given(sides, sides, modes)
def test_boxes_stay_inside_the_image(height, width, mode):
    _, geometry = resize_to_input(np.zeros((height, width, 3), np.uint8), (32, 32), mode)
    boxes = geometry.boxes_to_source(np.array([[-5.0, -5, 40, 40], [3, 4, 9, 12]]))
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= width).all() and (boxes[:, [1, 3]] <= height).all()


def test_letterbox_pads_and_crop_cuts():
    image = np.full((10, 20, 3), 200, np.uint8)
    letterboxed, geometry = resize_to_input(image, (20, 20), "letterbox")
    assert (letterboxed[:5] == 114).all() and (letterboxed[5:15] == 200).all()
    assert geometry.offset == (0, 5)
    cropped, geometry = resize_to_input(image, (10, 10), "crop")
    assert (cropped == 200).all()
    assert geometry.offset == (-5, 0)


def test_a_mask_maps_back_to_its_position():
    image = np.zeros((10, 20, 3), np.uint8)
    _, geometry = resize_to_input(image, (40, 40), "letterbox")
    mask = np.zeros((40, 40), int)
    mask[10:30, :20] = 7
    back = geometry.mask_to_source(mask)
    assert (back[:, :10] == 7).all() and (back[:, 10:] == 0).all()


@given(st.floats(1.0, 9.0), st.floats(1.0, 9.0))
def test_a_reduced_image_is_the_area_mean(down, across):
    image = make_scene(3, (180, 240), (5, 9)).image
    height, width = round(180 / down), round(240 / across)
    resized, _ = resize_to_input(image, (height, width), "stretch")
    means = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # Of 255 levels; sampling between neighbours alone is 2 to 6 away.
    assert np.abs(resized.astype(float) - means).mean() < 1.2


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match="squeeze"):
        resize_to_input(np.zeros((2, 2, 3), np.uint8), (4, 4), "squeeze")


def test_grey_follows_luma():
    image = np.zeros((1, 1, 3), np.uint8)
    image[..., 1] = 255
    assert to_channels(image, 1)[0, 0, 0] == 150
    with pytest.raises(ValueError, match="5"):
        to_channels(image, 5)


def test_a_long_narrow_image_stays_small():
    import tracemalloc

    image = np.zeros((60000, 1, 3), np.uint8)
    tracemalloc.start()
    resized, _ = resize_to_input(image, (224, 224), "crop")
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()
    assert resized.shape == (224, 224, 3)


@pytest.mark.parametrize("channels", [1, 4, 5, 9])
def test_images_of_any_channels_are_resized_channel_by_channel(channels):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, channels)).astype(np.uint8)
    resized, _ = resize_to_input(image, (16, 24), "letterbox")
    assert resized.shape == (16, 24, channels)
    for i in range(channels):
        alone, _ = resize_to_input(image[:, :, i : i + 1], (16, 24), "letterbox")
        assert (resized[:, :, i] == alone[:, :, 0]).all()


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_planes_are_the_channels_of_any_cut(channels):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, channels)).astype(np.uint8)
    for cut in (image, image[3:20, 5:9], image[:, ::-1]):
        planes = to_planes(cut)
        assert planes.flags.c_contiguous and (planes == cut.transpose(2, 0, 1)).all()
