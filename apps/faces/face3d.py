"""From a picture to its faces in space: find, check, cut out, reconstruct."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from apps.runtimes import Model
from vision.face_crop import cut_square, face_square
from vision.face_detection import FaceStages, find_faces
from vision.images import Pixels
from vision.predictions import Face3DPrediction, FaceCrops, FacePrediction, to_prediction

_SMALLEST = 32
"""The smallest face that is reconstructed, in pixels."""

_LEAST_INSIDE = 0.75
"""The least share of a face's square that must lie within the picture."""


class Face3DModel(Model):
    """A face finder before a network for faces in space.

    Args:
        network: From crops of faces to their shapes.
        stages: The face finder's networks.
    """

    def __init__(self, network: Model, stages: FaceStages) -> None:
        self.network = network
        self.stages = stages
        self.name = network.name
        self.runtime = network.runtime
        self.metadata = network.metadata

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Shapes of cut out faces; see `Model.run`."""
        return self.network.run(images)

    def predict_pixels(self, image: Pixels) -> Face3DPrediction:
        """The faces of a picture in space."""
        found = find_faces(image, self.stages, _SMALLEST)
        found = replace(found, problems=tuple(_problem(found, i) for i in range(len(found))))
        clear = [i for i, problem in enumerate(found.problems) if not problem]
        squares = face_square(found.landmarks[clear]).reshape(-1, 3)
        height, width = self.metadata.image_size
        crops = np.zeros((len(clear), 3, height, width), np.uint8)
        for i, square in enumerate(squares):
            crops[i] = cut_square(image, square, (height, width)).transpose(2, 0, 1)
        # One face at least, since not all runtimes know empty batches.
        outputs = self.run(crops if len(crops) else np.zeros((1, 3, height, width), np.uint8))
        kept = [output[: len(clear)] for output in outputs]
        prediction = to_prediction(kept, FaceCrops(found, squares), self.metadata)
        assert isinstance(prediction, Face3DPrediction)
        return prediction


def _problem(found: FacePrediction, i: int) -> str:
    """Why a face is not reconstructed; empty where it is."""
    height, width = found.size
    marks = found.landmarks[i]
    left, top, side = face_square(marks)
    shown_width = min(left + side, width) - max(left, 0)
    shown_height = min(top + side, height) - max(top, 0)
    if found.sides[i] < _SMALLEST:
        return f"too small: {found.sides[i]:.0f} pixels, {_SMALLEST} needed"
    if not ((marks >= 0) & (marks < (width, height))).all():
        return "partly outside the picture"
    if shown_width * shown_height < _LEAST_INSIDE * side * side:
        return "partly outside the picture"
    # Beyond the line from eye to eye in a profile; along it, so that a leaning head is none.
    along = (marks[1] - marks[0]).astype(np.float64)
    share = float((marks[2] - marks[0]) @ along / max(float(along @ along), 1e-9))
    if not 0.0 < share < 1.0:
        return "turned away too far"
    return ""
