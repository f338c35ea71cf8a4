"""The areas of a prediction that occlusion maps explain."""

from typing import cast

import numpy as np

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.occlusion import Target
from visus.vision.prediction import Prediction

_CLASSES = 3


def area_targets(prediction: SegmentationPrediction) -> list[Target]:
    """The classes of the largest areas; the score is the fraction of pixels that keep the class."""
    counts = np.bincount(prediction.mask.ravel(), minlength=len(prediction.class_names))
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]][:_CLASSES]

    def target(index: int) -> Target:
        area = prediction.mask == index

        def score(changed: Prediction) -> float:
            return float((cast(SegmentationPrediction, changed).mask[area] == index).mean())

        return Target(prediction.class_names[index], score)

    return [target(index) for index in order]
