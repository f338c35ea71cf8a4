import numpy as np
import pytest
import torch

from visus.datamodules.classification.augment import TrainingTransform
from visus.datamodules.core.epochs import ShuffledBatches
from visus.datamodules.core.loading import ImageDataset, make_train_loader
from visus.vision.errors import VisusError
from visus.vision.scenes import make_scene


def epochs(monkeypatch, workers, seed, augmentation="photos"):
    """Two epochs of eight copies of an image, augmented."""
    image = make_scene(1, (40, 40)).image
    dataset = ImageDataset(
        [image] * 8,
        np.copy,
        np.zeros(8, np.int64),
        (32, 32),
        "crop",
        transform=TrainingTransform(augmentation, (32, 32), "crop"),
    )
    monkeypatch.setenv("PL_GLOBAL_SEED", str(seed))
    batches = ShuffledBatches(8, 4)
    loader = make_train_loader(dataset, batches, workers)
    images = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        images.append(torch.cat([batch["image"] for batch in loader]))
    return images


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augmentation", ["characters", "small", "photos", "weak"])
def test_augmentations_differ_by_sample_and_epoch_and_repeat_with_the_seed(
    monkeypatch, workers, augmentation
):
    first, second = epochs(monkeypatch, workers, 0, augmentation)
    assert first.shape == (8, 3, 32, 32)
    assert len({image.numpy().tobytes() for image in torch.cat([first, second])}) > 5
    again, _ = epochs(monkeypatch, workers, 0, augmentation)
    assert torch.equal(first, again)
    other, _ = epochs(monkeypatch, workers, 1, augmentation)
    assert not torch.equal(first, other)


def test_transforms_of_an_augmentation_are_independent():
    """Mirroring must not decide where the image is shifted or erased."""
    image = np.arange(32, dtype=np.uint8)[None, :, None].repeat(32, 0) + 100
    augment = TrainingTransform("small", (32, 32), "stretch")
    torch.manual_seed(0)
    shifts = {False: set(), True: set()}
    for _ in range(200):
        row = augment(image)[np.r_[0:4, -4:0], :, 0].astype(int)
        row = row[np.argmax((row[:, 8:24] > 0).all(1))]
        steps = np.diff(row[8:24])
        if (np.abs(steps) == 1).all():
            shifts[bool(steps[0] < 0)].add(int(row[8]) if steps[0] > 0 else int(row[23]))
    assert len(shifts[False]) > 2 and len(shifts[True]) > 2


def test_none_changes_nothing_and_unknown_names_are_refused():
    image = make_scene(1, (32, 32)).image
    assert (TrainingTransform("none", (32, 32), "crop")(image) == image).all()
    with pytest.raises(VisusError, match="wild"):
        TrainingTransform("wild", (32, 32), "crop")


@pytest.mark.parametrize(("mode", "whole"), [("stretch", True), ("crop", False)])
def test_crops_of_wide_images_are_as_they_are_stretched_in_evaluation(mode, whole):
    # From dark to bright in 500 columns of 100 rows.
    image = np.linspace(0, 250, 500, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2)
    augment = TrainingTransform("photos", (32, 32), mode)
    torch.manual_seed(0)
    shares = []
    for _ in range(50):
        row = augment(image)[..., 0].astype(int).mean(0)
        shares.append(abs(row[-1] - row[0]) / 250)
    assert (max(shares) > 0.6) == whole
    assert len({round(share, 2) for share in shares}) > 5


def test_the_weak_augmentation_shows_most_of_an_image():
    image = np.linspace(0, 250, 100, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2)
    smallest = {}
    for augmentation in ("photos", "weak"):
        augment = TrainingTransform(augmentation, (64, 64), "stretch")
        torch.manual_seed(0)
        rows = [augment(image)[..., 0].astype(int).mean(0) for _ in range(60)]
        smallest[augmentation] = min(abs(row[-1] - row[0]) / row.mean() for row in rows)
    assert smallest["weak"] > 1.3 * smallest["photos"]
