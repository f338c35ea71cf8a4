"""From an image to its faces' embeddings: find, check, align, embed, in any runtime."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from visus.apps.inference.predictions_tmp import to_prediction

from visus.tasks.face_recognition.gallery import Calibration, Gallery
from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import align_face, sharpness
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.images import Pixels
from visus.vision.model import Model

_LOOK_BELOW = 0.75
"""Faces down to this share of the smallest that is embedded are found too, to be told."""


class FaceModel(Model):
    """A face finder before an embedding network.

    Args:
        network: From aligned faces to embeddings; its metadata tell which faces are embedded.
        stages: The face finder's networks.
        fingerprint: Tells embeddings of this model from those of others.
    """

    def __init__(self, network: Model, stages: FaceStages, fingerprint: str) -> None:
        self.network = network
        self.stages = stages
        self.fingerprint = fingerprint
        self.name = network.name
        self.runtime = network.runtime
        self.metadata = network.metadata
        self.precision = network.precision
        self.gallery: Gallery | None = None

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Embeddings of aligned faces; see `Model.run`."""
        return self.network.run(images)

    @property
    def calibration(self) -> Calibration:
        """From which similarity on two faces are one person's: the gallery's, or the model's."""
        own = self.gallery.calibration if self.gallery else None
        options = self.metadata.options
        return own or Calibration(float(options["threshold"]), options.get("far"))

    def predict_pixels(self, image: Pixels) -> FacePrediction:
        """The faces of an image, embedded, and named where there is a gallery."""
        found, aligned = self.find(image)
        embeddings = np.zeros((0, int(self.metadata.options["embedding"])), np.float32)
        if len(aligned):
            embeddings = self.run(_planes(aligned))[0]
        prediction = to_prediction([embeddings], found, self.metadata)
        assert isinstance(prediction, FacePrediction)
        return self._named(prediction) if self.gallery else prediction

    def find(self, image: Pixels) -> tuple[FacePrediction, NDArray[np.uint8]]:
        """The faces of an image, and those fit to be embedded, aligned.

        Args:
            image: uint8 RGB of shape (height, width, 3).

        Returns:
            The faces, not embedded, each with its problem if it has one, and the aligned faces
            of those without, uint8 of shape (faces, *image_size, 3).
        """
        smallest = int(self.metadata.options["min_face"])
        found = find_faces(image, self.stages, max(12, int(smallest * _LOOK_BELOW)))
        problems, aligned = [], []
        height, width = found.size
        for side, landmarks in zip(found.sides, found.landmarks, strict=True):
            inside = ((landmarks >= 0) & (landmarks < (width, height))).all()
            face = align_face(image, landmarks, self.metadata.image_size)
            if side < smallest:
                problems.append(f"too small: {side:.0f} pixels, {smallest} needed")
            elif not inside:
                problems.append("partly outside the image")
            elif sharpness(face) < float(self.metadata.options["min_sharpness"]):
                problems.append("too blurred")
            else:
                problems.append("")
                aligned.append(face)
        stacked = np.stack(aligned) if aligned else np.zeros((0, 0, 0, 3), np.uint8)
        return replace(found, problems=tuple(problems)), stacked

    def inputs(self, image: Pixels) -> NDArray[np.uint8]:
        """See `Model.inputs`: the aligned faces."""
        return _planes(self.find(image)[1])

    def only_face(self, image: Pixels, place: str) -> tuple[NDArray[np.float32], Pixels]:
        """The embedding and the aligned image of the one face that an image must show.

        Args:
            image: uint8 RGB of shape (height, width, 3).
            place: What the image is called in messages.

        Raises:
            VisusError: If it shows no face, several, or one that is not fit to be embedded.
        """
        found, aligned = self.find(image)
        if not len(found):
            smallest = int(self.metadata.options["min_face"] * _LOOK_BELOW)
            raise VisusError(
                f"{place}: shows no face of {smallest} pixels or more; take one that is upright, "
                "larger, and looks into the camera"
            )
        if len(found) > 1:
            raise VisusError(
                f"{place}: shows {len(found)} faces; take an image of one person, or cut it out"
            )
        if found.problems[0]:
            raise VisusError(f"{place}: the face is {found.problems[0]}; take another image")
        return self.run(_planes(aligned))[0][0], aligned[0]

    def _named(self, prediction: FacePrediction) -> FacePrediction:
        assert self.gallery is not None and prediction.embeddings is not None
        names: list[str | None] = []
        similarities = np.full(len(prediction), np.nan, np.float32)
        threshold = self.calibration.threshold
        for i, problem in enumerate(prediction.problems):
            nearest = None if problem else self.gallery.nearest(prediction.embeddings[i])
            names.append(nearest[0] if nearest and nearest[1] >= threshold else None)
            if nearest:
                similarities[i] = nearest[1]
        return replace(prediction, names=tuple(names), similarities=similarities)


def _planes(aligned: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Aligned faces as networks take images, shape (faces, 3, height, width)."""
    return np.ascontiguousarray(aligned.transpose(0, 3, 1, 2))
