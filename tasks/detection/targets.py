"""The boxes of a prediction that occlusion maps explain."""

from typing import cast

import numpy as np

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.boxes import box_iou
from visus.vision.occlusion import Target
from visus.vision.prediction import Prediction

_BOXES = 3


def box_targets(prediction: DetectionPrediction) -> list[Target]:
    """The reported boxes of highest score.

    The score of a box in a changed image is the largest product of IoU and score of a detection of
    its class, as in D-RISE (Petsiuk et al. 2021, arXiv:2006.03204).
    """
    shown = prediction.above_threshold()
    return [_target(shown, i) for i in range(min(_BOXES, len(shown)))]


def _target(shown: DetectionPrediction, index: int) -> Target:
    box, class_id = shown.boxes[[index]], shown.class_ids[index]

    def score(changed: Prediction) -> float:
        other = cast(DetectionPrediction, changed)
        same = other.class_ids == class_id
        if not same.any():
            return 0.0
        return float(np.max(box_iou(box, other.boxes[same])[0] * other.scores[same]))

    return Target(f"{shown.label(index)} {shown.scores[index]:.2f}", score)
