"""From an image to its 3D faces: detect, check, crop, reconstruct, in any runtime."""

from dataclasses import replace

import numpy as np

from visus.tasks.face3d.prediction import Face3DPrediction, postprocess
from visus.vision.faces.crop import SMALLEST_FACE, FaceCrops, crop_problem, cut_square, face_square
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.images import Pixels
from visus.vision.model import Batch, Model
from visus.vision.model_wrapper import ModelWrapper


class Face3DPipeline(ModelWrapper):
    """Detects faces, and applies a network for 3D faces to their crops.

    Args:
        model: From crops of faces to their shapes.
        stages: The face detector's networks.
    """

    def __init__(self, model: Model, stages: FaceStages) -> None:
        super().__init__(model)
        self.stages = stages

    def predict_image(self, image: Pixels) -> Face3DPrediction:
        """See `Model.predict_image`."""
        batch, crops = self.preprocess(image)
        height, width = self.metadata.image_size
        # At least one crop, since not all runtimes accept empty batches.
        outputs = self.run(batch if len(batch) else np.zeros((1, 3, height, width), np.uint8))
        return postprocess([output[: len(batch)] for output in outputs], crops, self.metadata)

    def preprocess(self, image: Pixels) -> tuple[Batch, FaceCrops]:
        """Detect the faces of an image and crop those without a problem.

        Returns:
            uint8 of shape (faces without a problem, 3, *image_size), and the faces.
        """
        faces = find_faces(image, self.stages, SMALLEST_FACE)
        faces = replace(faces, problems=tuple(crop_problem(faces, i) for i in range(len(faces))))
        usable = [i for i, problem in enumerate(faces.problems) if not problem]
        squares = face_square(faces.landmarks[usable]).reshape(-1, 3)
        height, width = self.metadata.image_size
        batch = np.zeros((len(usable), 3, height, width), np.uint8)
        for i, square in enumerate(squares):
            batch[i] = cut_square(image, square, (height, width)).transpose(2, 0, 1)
        return batch, FaceCrops(faces, squares)

    def network_inputs(self, image: Pixels) -> Batch:
        """See `Model.network_inputs`."""
        return self.preprocess(image)[0]
