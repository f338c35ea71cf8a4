import numpy as np
import pytest
import torch

from visus.datamodules.segmentation.augment import MaskTransform
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE
from visus.vision.scenes import make_scene

SIZE = (64, 96)


def masked(seed):
    """An image whose brightness is its class, so that image and mask can be compared."""
    mask = (make_scene(seed, (80, 120), (1, 3)).class_mask() > 0).astype(np.uint8)
    return np.repeat((mask * 200)[:, :, None], 3, axis=2), mask


@pytest.mark.parametrize("mode", ["letterbox", "stretch"])
@pytest.mark.parametrize("crop", [SIZE, (48, 48), (160, 64)])
@pytest.mark.parametrize("augmentation", ["crops", "weak"])
def test_masks_are_transformed_with_their_images(augmentation, mode, crop):
    transform = MaskTransform(augmentation, SIZE, mode, crop)
    torch.manual_seed(0)
    agree = []
    for seed in range(20):
        image, mask = transform(*masked(seed))
        assert image.shape == (*crop, 3) and mask.shape == crop
        assert set(np.unique(mask)) <= {0, 1, IGNORE}
        known = mask != IGNORE
        bright = image.max(2) > 60
        agree.append((bright == (mask == 1))[known].mean() if known.any() else 1)
    # Jittered colours and interpolated edges differ a little.
    assert np.mean(agree) > 0.95


def test_augmentation_differs_by_call_and_repeats_with_the_seed():
    transform = MaskTransform("crops", SIZE, "stretch", SIZE)
    torch.manual_seed(3)
    first, second = transform(*masked(1)), transform(*masked(1))
    assert not np.array_equal(first[0], second[0])
    torch.manual_seed(3)
    again = transform(*masked(1))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])


def test_without_augmentation_images_are_resized_and_margins_are_unlabelled():
    image, mask = MaskTransform("none", (64, 64), "letterbox", (64, 64))(*masked(1))
    assert image.shape == (64, 64, 3)
    rows = np.flatnonzero((mask == IGNORE).all(1))
    assert len(rows) == 64 - round(80 * 64 / 120)
    assert (image[rows] == 114).all()


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(
        VisusError, match=r"data\.augment 'more' is unknown; choose from none, crops"
    ):
        MaskTransform("more", SIZE, "stretch", SIZE)


def test_the_weak_augmentation_scales_less():
    mask = np.zeros(SIZE, np.uint8)
    mask[20:44, 30:66] = 1
    image = np.repeat((mask * 200)[:, :, None], 3, axis=2)
    spreads = {}
    for augmentation in ("crops", "weak"):
        transform = MaskTransform(augmentation, SIZE, "stretch", (160, 240))
        torch.manual_seed(0)
        widths = [(transform(image, mask)[1] == 1).any(0).sum() / 36 for _ in range(40)]
        spreads[augmentation] = (min(widths), max(widths))
    assert spreads["crops"][0] < 0.7 and spreads["crops"][1] > 1.6
    assert 0.8 < spreads["weak"][0] < 0.95 and 1.05 < spreads["weak"][1] < 1.2
