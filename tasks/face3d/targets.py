"""The landmarks of a prediction that occlusion maps explain."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.occlusion import Target
from visus.vision.prediction import Prediction

PARTS = {"nose": slice(27, 36), "eyes": slice(36, 48), "mouth": slice(48, 68)}
"""Which of the 68 landmarks belong to a part of the face (iBUG 300-W)."""


def landmark_targets(prediction: Face3DPrediction) -> list[Target]:
    """Nose, eyes and mouth of the first face; the score is minus how far its landmarks moved."""
    if not len(prediction):
        return []
    before = prediction.landmarks68(0)
    size = float(np.ptp(before, axis=0).max())

    def target(name: str, part: slice) -> Target:
        def score(changed: Prediction) -> float:
            faces = cast(Face3DPrediction, changed)
            count = range(len(faces))
            moved = [_distance(faces.landmarks68(i)[part], before[part]) for i in count]
            # Without a face the landmarks are as far off as the face is large.
            return -min(moved, default=size) / size

        return Target(name, score)

    return [target(name, part) for name, part in PARTS.items()]


def _distance(points: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(points - others, axis=1).mean())
