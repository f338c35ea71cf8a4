import pytest

from visus.datamodules.classification.data import ImageClassificationData
from visus.vision.errors import VisusError


def data(photos, **arguments):
    return ImageClassificationData(str(photos), num_workers=0, **arguments)


def test_training_images_may_be_smaller_than_evaluation_images(photos):
    module = data(photos, image_size=(128, 160), train_scale=0.75)
    assert module.dataset("train")[0]["image"].shape == (3, 96, 128)
    assert module.dataset("val")[0]["image"].shape == (3, 128, 160)
    with pytest.raises(VisusError, match=r"data.train_scale 1.5 must be above 0"):
        data(photos, train_scale=1.5)


def test_the_input_size_is_derived_from_the_images(photos):
    # Their shorter sides are 48 pixels, the nearest multiples of 32 are 32 and 64.
    assert data(photos).image_size == (64, 64)
