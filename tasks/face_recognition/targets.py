"""The faces of a prediction that occlusion maps explain."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.occlusion import Target
from visus.vision.prediction import Prediction

_FACES = 3


def face_targets(prediction: FacePrediction) -> list[Target]:
    """The first faces with an embedding; the score is the similarity to it."""
    targets = []
    for i in range(len(prediction)):
        embedding = prediction.embedding(i)
        if embedding is not None:
            targets.append(similarity_target(prediction.label(i) or f"face {i + 1}", embedding))
    return targets[:_FACES]


def similarity_target(name: str, embedding: NDArray[np.float32]) -> Target:
    """The similarity of the most similar face to an embedding of unit length."""

    def score(changed: Prediction) -> float:
        faces = cast(FacePrediction, changed)
        others = [faces.embedding(i) for i in range(len(faces))]
        similarities = [float(other @ embedding) for other in others if other is not None]
        return max(similarities, default=0.0)

    return Target(name, score)
