"""From an image to its faces in space: find, check, cut out, reconstruct."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from visus.apps.inference.predictions_tmp import to_prediction

from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.faces.crop import SMALLEST_FACE, FaceCrops, crop_problem, cut_square, face_square
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.images import Pixels
from visus.vision.model import Model


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
        self.precision = network.precision

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Shapes of cut out faces; see `Model.run`."""
        return self.network.run(images)

    def predict_pixels(self, image: Pixels) -> Face3DPrediction:
        """The faces of an image in space."""
        cut, crops = self._cut(image)
        height, width = self.metadata.image_size
        # One face at least, since not all runtimes know empty batches.
        outputs = self.run(crops if len(crops) else np.zeros((1, 3, height, width), np.uint8))
        kept = [output[: len(crops)] for output in outputs]
        prediction = to_prediction(kept, cut, self.metadata)
        assert isinstance(prediction, Face3DPrediction)
        return prediction

    def inputs(self, image: Pixels) -> NDArray[np.uint8]:
        """See `Model.inputs`: the faces cut out."""
        return self._cut(image)[1]

    def _cut(self, image: Pixels) -> tuple[FaceCrops, NDArray[np.uint8]]:
        """The faces of an image, and those that are clear, of shape (faces, 3, *image_size)."""
        found = find_faces(image, self.stages, SMALLEST_FACE)
        found = replace(found, problems=tuple(crop_problem(found, i) for i in range(len(found))))
        clear = [i for i, problem in enumerate(found.problems) if not problem]
        squares = face_square(found.landmarks[clear]).reshape(-1, 3)
        height, width = self.metadata.image_size
        crops = np.zeros((len(clear), 3, height, width), np.uint8)
        for i, square in enumerate(squares):
            crops[i] = cut_square(image, square, (height, width)).transpose(2, 0, 1)
        return FaceCrops(found, squares), crops
