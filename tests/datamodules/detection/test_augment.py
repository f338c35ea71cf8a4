import numpy as np
import pytest
import torch

from visus.datamodules.detection.augment import BoxTransform, TrainingSample, resize_sample
from visus.vision.errors import VisusError
from visus.vision.scenes import SHAPES, make_scene

SIZE = (96, 128)


def sample(seed, masks=True):
    scene = make_scene(seed, SIZE, (3, 6))
    return TrainingSample(
        scene.image,
        np.array([item.box for item in scene.objects], np.float32).reshape(-1, 4),
        np.array([SHAPES.index(item.shape) for item in scene.objects], np.int64),
        np.array([item.mask for item in scene.objects], np.uint8) if masks else None,
    )


def never(number):
    raise AssertionError("no other image is needed")


@pytest.mark.parametrize("mode", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("augmentation", ["boxes", "weak"])
def test_boxes_and_masks_move_with_the_image(augmentation, mode):
    transform = BoxTransform(augmentation, (80, 112), mode)
    torch.manual_seed(0)
    shifts = []
    for seed in range(25):
        changed = transform(sample(seed), never)
        assert changed.image.shape == (80, 112, 3)
        assert len(changed.boxes) == len(changed.labels) == len(changed.masks)
        for box, mask in zip(changed.boxes, changed.masks, strict=True):
            assert (box[:2] >= 0).all() and box[2] <= 112 and box[3] <= 80
            rows, columns = np.nonzero(mask)
            if len(rows):
                tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                shifts.append(np.abs(box - tight).max())
    # The augmented box of a partly covered object may exceed its mask.
    assert len(shifts) > 40 and np.percentile(shifts, 90) < 2.5


def test_augmentations_differ_and_are_reproducible_from_the_seed():
    transform = BoxTransform("boxes", SIZE, "stretch")
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        runs.append([transform(sample(0), never) for _ in range(3)])
    assert not np.array_equal(runs[0][0].image, runs[0][1].image)
    for a, b in zip(runs[0], runs[1], strict=True):
        assert np.array_equal(a.image, b.image) and np.array_equal(a.boxes, b.boxes)
    assert not np.array_equal(runs[0][0].image, runs[2][0].image)


def test_a_mosaic_shows_objects_of_several_images():
    transform = BoxTransform("mosaic", SIZE, "stretch")
    torch.manual_seed(0)
    numbers = []

    def other_sample(number):
        numbers.append(number)
        return sample(number % 50, masks=False)

    counts = [len(transform(sample(i, masks=False), other_sample).boxes) for i in range(20)]
    assert 15 <= len(numbers) <= 45 and len(set(numbers)) == len(numbers)
    assert max(counts) > 6


def test_an_image_without_objects_is_augmented():
    empty = TrainingSample(
        np.zeros((40, 50, 3), np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros((0, 40, 50), np.uint8),
    )
    changed = BoxTransform("boxes", SIZE, "letterbox")(empty, never)
    assert changed.boxes.shape == (0, 4) and changed.masks.shape == (0, *SIZE)


def test_resizing_is_exact():
    original = sample(3)
    resized = resize_sample(original, (192, 256), "stretch")
    np.testing.assert_allclose(resized.boxes, original.boxes * 2)
    assert (resized.masks.sum((1, 2)) / original.masks.sum((1, 2))).mean() == pytest.approx(4, 0.05)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(VisusError, match=r"data.augment 'photos' is unknown; choose from none"):
        BoxTransform("photos", SIZE, "stretch")


def test_the_weak_augmentation_neither_crops_nor_scales_much():
    middle = TrainingSample(
        np.full((*SIZE, 3), 90, np.uint8),
        np.array([[44, 28, 84, 68]], np.float32),
        np.zeros(1, np.int64),
        None,
    )
    spreads = {}
    for augmentation in ("boxes", "weak"):
        transform = BoxTransform(augmentation, SIZE, "stretch")
        torch.manual_seed(0)
        boxes = [transform(middle, never).boxes[0] for _ in range(60)]
        widths = [(box[2] - box[0]) / 40 for box in boxes]
        spreads[augmentation] = (min(widths), max(widths))
    assert spreads["boxes"][0] < 0.8 and spreads["boxes"][1] > 1.3
    assert 0.89 < spreads["weak"][0] < 0.95 and 1.05 < spreads["weak"][1] < 1.11
