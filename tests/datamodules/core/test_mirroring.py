"""Images of classes that are named after a side are not mirrored."""

import numpy as np
import pytest
import torch
from PIL import Image

from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.mirroring import is_sided
from visus.datamodules.detection.data import ImageDetectionData
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.data_info import info_from_data

RAMP = np.tile(np.arange(20, 244, 4, dtype=np.uint8)[None, :, None], (40, 1, 3))
"""Dark on the left, bright on the right, whatever is cropped."""


@pytest.mark.parametrize(
    ("names", "sided"),
    [
        (("clap", "jump"), False),
        (("swipe_left", "rest"), True),
        (("Right hand", "rest"), True),
        (("turns counter-clockwise", "rest"), True),
        (("copyright", "cleft", "clockwork"), False),
        (("turnRight", "rest"), True),
        (tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), True),
        (("A", "B", "C", "D"), False),
    ],
)
def test_classes_named_after_a_side_are_not_mirrored_by_default(names, sided):
    assert is_sided(names) == sided


def classified(tmp_path, names, **options):
    for number, name in enumerate(names):
        for i in range(10):
            path = tmp_path / name / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            # No two files are equal.
            Image.fromarray(RAMP - 10 * number - i).save(path)
    return ImageClassificationData(str(tmp_path), num_workers=0, **options)


def detected(tmp_path, names, **options):
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "classes.txt").write_text("\n".join(names))
    for i in range(20):
        Image.fromarray(RAMP - i).save(tmp_path / "images" / f"{i}.png")
        (tmp_path / "labels" / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.9 0.9\n")
    return ImageDetectionData(str(tmp_path), num_workers=0, **options)


def masked(tmp_path, names, **options):
    for i in range(20):
        for folder, pixels in (("images", RAMP - i), ("masks", np.full((40, 56), i % 2, np.uint8))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    return ImageSegmentationData(str(tmp_path), num_workers=0, class_names=list(names), **options)


@pytest.mark.parametrize("create", [classified, detected, masked])
@pytest.mark.parametrize(
    ("names", "options", "mirrors"),
    [
        (("arrow left", "arrow right"), {}, False),
        (("arrow left", "arrow right"), {"flip": True}, True),
        (("cat", "dog"), {}, True),
        (("cat", "dog"), {"flip": False}, False),
    ],
)
def test_training_images_are_mirrored_unless_it_changes_their_class(
    tmp_path, create, names, options, mirrors
):
    data = create(tmp_path, names, **options)
    assert data.mirrors == mirrors
    dataset = data.dataset("train")
    torch.manual_seed(0)
    mirrored = 0
    for i in range(48):
        image = dataset[i % len(dataset)]["image"].float().mean((0, 1))
        mirrored += bool(image[: len(image) // 2].mean() > image[len(image) // 2 :].mean())
    assert 8 < mirrored < 40 if mirrors else mirrored == 0


def test_predictions_of_sided_classes_are_not_averaged_with_those_of_mirror_images(tmp_path):
    data = classified(tmp_path, ("arrow left", "arrow right"))
    info = info_from_data(ClassificationInfo, data)
    task = ClassificationTask(data_info=info, backbone="convnet", flip_at_test=True).eval()
    images = torch.randint(0, 256, (2, 3, *data.image_size), dtype=torch.uint8)
    assert not torch.allclose(task(images)[0], task(images.flip(3))[0])
