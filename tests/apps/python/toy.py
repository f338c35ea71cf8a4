"""Models without weights, whose predictions follow from the pixels."""

import numpy as np

from visus.apps.python.model import Model
from visus.tasks.classification.prediction import postprocess as to_classes
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.metadata import ModelMetadata
from visus.vision.model import NetworkModel
from visus.vision.resize import preprocess_image


class MeanNetwork:
    """The mean of each channel, for a batch of any size; counts its runs."""

    precision = "fp32"

    def __init__(self, batches=True):
        self.batch_size = 8 if batches else 1
        self.runs = []

    def __call__(self, images):
        self.runs.append(len(images))
        return (images.mean((2, 3)).astype(np.float32) / 32,)


def classifier(channels=3, batches=True):
    """A classifier whose classes are the channels."""
    names = ("red", "green", "blue")[:channels] + tuple(map(str, range(3, channels)))
    metadata = ModelMetadata(
        "classification", names, (8, 8), channels, "stretch", (0.0,) * channels, (1.0,) * channels
    )
    network = MeanNetwork(batches)
    inner = NetworkModel("toy", "torch", network, metadata, preprocess_image, to_classes)
    return Model(inner, "toy"), network


def boxes_of(outputs, geometry, metadata):
    """Four boxes, two of them below the threshold of 0.5 and three of them dogs."""
    height, width = geometry.source_size
    box = np.array([width / 8, height / 8, width / 2, height / 2], np.float32)
    return DetectionPrediction(
        np.stack([box, box + 1, box + 2, box + 3]),
        np.array([0.9, 0.7, 0.4, 0.1], np.float32),
        np.array([1, 0, 1, 1]),
        metadata.class_names,
        (height, width),
        float(metadata.options["threshold"]),
        np.ones((4, 2, 2), np.float32),
    )


def detector():
    """A detector of cats and dogs."""
    metadata = ModelMetadata(
        *("detection", ("cat", "dog"), (8, 8), 3, "stretch"),
        *((0.0,) * 3, (1.0,) * 3, {"threshold": 0.5}),
    )
    inner = NetworkModel("toy", "torch", MeanNetwork(), metadata, preprocess_image, boxes_of)
    return Model(inner, "toy")
