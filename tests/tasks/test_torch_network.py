"""Batches in PyTorch: their predictions are those of single images, their size fits the input."""

import dataclasses
import numbers

import numpy as np
import pytest
import torch

from visus.apps.inference.loading import torch_model
from visus.tasks.captioning.data_info import CaptioningInfo
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.task import SegmentationTask
from visus.tasks.torch_network import TorchNetwork
from visus.vision.scenes import make_scene
from visus.vision.vocabulary import SPECIAL_TOKENS

INPUT = {"image_size": (64, 64), "in_channels": 3, "resize_mode": "letterbox"}
SMALL = {"backbone": "test_resnet"}
COLOURS = {"class_names": ("a", "b", "c")}


def detector(architecture, masks=False):
    info = DetectionInfo(**INPUT, **COLOURS, masks=masks)
    return DetectionTask(info, architecture=architecture, channels=16, **SMALL)


TASKS = {
    "classification": lambda: ClassificationTask(ClassificationInfo(**INPUT, **COLOURS), **SMALL),
    "faster_rcnn": lambda: detector("faster_rcnn"),
    "mask_rcnn": lambda: detector("faster_rcnn", masks=True),
    "one_stage": lambda: detector("one_stage"),
    "segmentation": lambda: SegmentationTask(
        SegmentationInfo(**INPUT, **COLOURS), channels=16, **SMALL
    ),
    "captioning": lambda: CaptioningTask(
        CaptioningInfo(**INPUT, class_names=(*SPECIAL_TOKENS, *"abcd"), max_words=6),
        hidden_size=32,
        **SMALL,
    ),
}


def numbers_of(value):
    """All numbers of a prediction, as one list of arrays."""
    if dataclasses.is_dataclass(value):
        return [n for f in dataclasses.fields(value) for n in numbers_of(getattr(value, f.name))]
    if isinstance(value, tuple | list):
        return [n for each in value for n in numbers_of(each)]
    is_number = isinstance(value, np.ndarray | numbers.Number)
    return [np.asarray(value, np.float64)] if is_number else []


@pytest.mark.parametrize("name", TASKS)
def test_predictions_of_a_batch_are_those_of_single_images(name):
    torch.manual_seed(0)
    model = torch_model(name, TASKS[name]())
    sizes = [(48, 64), (80, 40), (33, 97), (64, 64), (120, 30)]
    images = [make_scene(i, size, (2, 4)).image for i, size in enumerate(sizes)]
    assert model.batch_size == 8
    together = model.predict_batch(images)
    for image, prediction in zip(images, together, strict=True):
        alone = model.predict(image)
        given, expected = numbers_of(prediction), numbers_of(alone)
        assert len(given) == len(expected) > 1
        for one, other in zip(given, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        assert prediction.summary() == alone.summary()


@pytest.mark.parametrize(
    ("size", "batch"), [((224, 224), 8), ((512, 512), 8), ((1024, 1024), 2), ((2048, 2048), 1)]
)
def test_batches_are_smaller_where_the_input_is_large(size, batch):
    info = ClassificationInfo(**{**INPUT, "image_size": size}, **COLOURS)
    assert TorchNetwork(ClassificationTask(info, **SMALL)).batch_size == batch
