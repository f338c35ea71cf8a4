"""From an image to the embeddings of its faces: detect, check, align, embed, in any runtime."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visus.tasks.face_recognition.gallery import Calibration, Gallery
from visus.tasks.face_recognition.prediction import FacePrediction, postprocess
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import align_face, sharpness
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.faces.found import FoundFaces
from visus.vision.images import Pixels
from visus.vision.model import Batch, Model
from visus.vision.model_wrapper import ModelWrapper
from visus.vision.wording import compared

_DETECTED_FRACTION = 0.75
"""Faces down to this fraction of the smallest embedded size are detected, and reported as small."""

_SMALLEST_WINDOW = 12
"""Side of the detector's window in pixels: no smaller face can be detected."""


class FacePipeline(ModelWrapper):
    """A face detector in front of an embedding network.

    Args:
        model: The embedding network; its metadata state which faces are embedded.
        stages: The face detector's networks.
        fingerprint: Identifies the embeddings of this model; others' are incomparable.

    Attributes:
        gallery: Names the faces; None to leave them without names.
        threshold: A similarity from which faces have names, in place of that of the gallery or the
            model; None for theirs.
    """

    def __init__(self, model: Model, stages: FaceStages, fingerprint: str) -> None:
        super().__init__(model)
        self.stages = stages
        self.fingerprint = fingerprint
        self.gallery: Gallery | None = None
        self.threshold: float | None = None

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return int(self.metadata.options["embedding"])

    @property
    def calibration(self) -> Calibration:
        """The chosen threshold, or else that of the gallery, or else that of the model."""
        if self.threshold is not None:
            return Calibration(self.threshold, None)
        own = self.gallery.calibration if self.gallery else None
        options = self.metadata.options
        return own or Calibration(float(options["threshold"]), options.get("far"))

    def preprocess(self, image: Pixels) -> tuple[Batch, FoundFaces]:
        """Detect and align the faces of an image.

        Args:
            image: uint8 RGB of shape (height, width, 3).

        Returns:
            The aligned faces of sufficient quality, uint8 of shape (faces, 3, *image_size), and
            all detected faces, each with the reason if it is not among the former.
        """
        aligned, faces = self.align(image)
        return _to_batch(aligned), faces

    def align(self, image: Pixels) -> tuple[NDArray[np.uint8], FoundFaces]:
        """As `preprocess`, with the aligned faces of shape (faces, *image_size, 3)."""
        smallest = int(self.metadata.options["min_face"])
        faces = find_faces(image, self.stages, self._smallest_detected())
        problems, aligned = [], []
        height, width = faces.size
        for side, landmarks in zip(faces.sides, faces.landmarks, strict=True):
            inside = ((landmarks >= 0) & (landmarks < (width, height))).all()
            face = align_face(image, landmarks, self.metadata.image_size)
            if side < smallest:
                shown, needed = compared(float(side), smallest)
                problems.append(f"too small: {shown} pixels, {needed} needed")
            elif not inside:
                problems.append("partly outside the image")
            elif sharpness(face) < float(self.metadata.options["min_sharpness"]):
                problems.append("too blurred")
            else:
                problems.append("")
                aligned.append(face)
        stacked = np.stack(aligned) if aligned else np.zeros((0, 0, 0, 3), np.uint8)
        return stacked, replace(faces, problems=tuple(problems))

    def network_inputs(self, image: Pixels) -> Batch:
        """See `Model.network_inputs`: the aligned faces."""
        return self.preprocess(image)[0]

    def predict_image(self, image: Pixels) -> FacePrediction:
        """The faces of an image with embeddings, and with names where there is a gallery."""
        batch, faces = self.preprocess(image)
        embeddings = np.zeros((0, self.embedding_size), np.float32)
        # Not all runtimes accept empty batches.
        if len(batch):
            embeddings = self.run(batch)[0]
        prediction = postprocess([embeddings], faces, self.metadata)
        return self._named(prediction, self.gallery) if self.gallery else prediction

    def embed_single_face(
        self, image: Pixels, place: str
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The embedding and the aligned image of the only face of an image.

        Args:
            image: uint8 RGB of shape (height, width, 3).
            place: Name of the image in messages.

        Raises:
            VisusError: If it shows no face, several, or one that cannot be embedded.
        """
        aligned, faces = self.align(image)
        if not len(faces):
            raise VisusError(
                f"{place}: shows no face of {self._smallest_detected()} pixels or more; use an "
                "image of a face that is upright, larger, and turned towards the camera"
            )
        # Faces too small to be anyone's, which are often none, do not count beside another.
        large = np.flatnonzero(faces.sides >= int(self.metadata.options["min_face"]))
        if len(faces) > 1 and len(large) != 1:
            raise VisusError(
                f"{place}: shows {len(faces)} faces; use an image of one person, or crop it"
            )
        problem = faces.problems[int(large[0]) if len(large) else 0]
        if problem:
            raise VisusError(f"{place}: the face is {problem}; use another image")
        return self.run(_to_batch(aligned))[0][0], aligned[0]

    def _smallest_detected(self) -> int:
        """Side of the smallest face that is detected, in pixels."""
        smallest = int(self.metadata.options["min_face"])
        return max(_SMALLEST_WINDOW, int(smallest * _DETECTED_FRACTION))

    def _named(self, prediction: FacePrediction, gallery: Gallery) -> FacePrediction:
        names: list[str | None] = []
        people: list[str | None] = []
        similarities = np.full(len(prediction), np.nan, np.float32)
        threshold = self.calibration.threshold
        for i in range(len(prediction)):
            embedding = prediction.embedding(i)
            nearest = None if embedding is None else gallery.nearest(embedding)
            names.append(nearest[0] if nearest and nearest[1] >= threshold else None)
            people.append(nearest[0] if nearest else None)
            if nearest:
                similarities[i] = nearest[1]
        return replace(
            prediction,
            names=tuple(names),
            similarities=similarities,
            nearest=tuple(people),
            threshold=threshold,
        )


def as_face_pipeline(model: Model) -> FacePipeline:
    """The model, if it recognises faces.

    Raises:
        VisusError: If it is a model of another task.
    """
    if not isinstance(model, FacePipeline):
        raise VisusError(
            f"model {model.name!r} is a {model.metadata.task} model; use one of face recognition"
        )
    return model


def _to_batch(aligned: NDArray[np.uint8]) -> Batch:
    """Aligned faces as a network's input, shape (faces, 3, height, width)."""
    return np.ascontiguousarray(aligned.transpose(0, 3, 1, 2))
