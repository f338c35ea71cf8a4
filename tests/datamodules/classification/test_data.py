import numpy as np
import pytest
from PIL import Image

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


def test_large_images_are_reduced_for_training_only(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            # The files must differ: copies of an image are refused.
            image = np.full((600, 800, 3), 20 * i + 100 * (name == "b"), np.uint8)
            Image.fromarray(image).save(tmp_path / name / f"{i}.jpg")
    module = data(tmp_path, image_size=(64, 64))
    training, evaluation = module.dataset("train"), module.dataset("val")
    assert training.read_augmented(training.sources[0]).shape == (150, 200, 3)
    assert training[0]["image"].shape == (3, 64, 64)
    assert training.image(0).shape == (600, 800, 3)
    assert evaluation[0]["geometry"].source_size == (600, 800)
    assert module.plain_dataset("train")[0]["geometry"].source_size == (600, 800)
