"""Recognise people in Python: a gallery of faces, and searches without one."""

import io
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.apps.python.arrays import Channels
from visus.apps.python.inputs import open_images, read_single
from visus.apps.python.model import Model, load
from visus.apps.python.options import errors_in_python
from visus.tasks.face_recognition.answers import Candidate, Face, Found, Verification
from visus.tasks.face_recognition.gallery import Gallery as Store
from visus.tasks.face_recognition.gallery import Person
from visus.tasks.face_recognition.open_gallery import is_qdrant, open_gallery
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.image_files import list_images
from visus.vision.images import Pixels
from visus.vision.model_wrapper import detached
from visus.vision.prediction import as_box

__all__ = ["Candidate", "Face", "Found", "Gallery", "Person", "Verification"]


class Gallery:
    """Enrolled people; images are given as to `visus.Model.predict`.

    Args:
        path: A file, which `enroll` creates, or `qdrant://host:port/collection`.
        model: A model of face recognition, or what `visus.load` takes.
        channels: Order of the channels of arrays and tensors: `rgb`, or `bgr` as OpenCV has it.
    """

    def __init__(
        self,
        path: str | Path,
        model: str | Path | Model = "faces",
        channels: Channels = "rgb",
    ) -> None:
        self.path = str(path)
        self.channels: Channels = channels
        self._given = model

    def enroll(
        self,
        name: str,
        images: Any,
        *,
        consent: str,
        add: bool = False,
        keep_crops: bool = False,
    ) -> int:
        """Store the faces of a person.

        Args:
            name: The person's name.
            images: One image or several, each of this person alone.
            consent: How and when the person agreed, such as `in writing, 3 May`.
            add: Whether the person may be enrolled already.
            keep_crops: Whether to store the aligned faces too, so that another model can embed
                them again.

        Returns:
            The number of stored faces; of each image that cannot be used there is a warning.

        Raises:
            VisusError: If no image can be used, or the person is enrolled and `add` is false.
        """
        if not name.strip() or not consent.strip():
            raise VisusError("enroll: name and consent must not be empty")
        with errors_in_python():
            if self._exists():
                # One of another model is refused before the images are embedded.
                self._open(create=True)
            faces, problems = self._embed_all(images)
            if not faces:
                raise VisusError("; ".join([*problems, f"nothing was enrolled for {name!r}"]))
            store = self._open(create=True)
            embeddings = np.stack([embedding for embedding, _ in faces])
            crops = [_to_png(face) for _, face in faces] if keep_crops else []
            store.enrol(name, embeddings, consent, crops, add)
        for problem in problems:
            warnings.warn(problem, stacklevel=2)
        return len(faces)

    def identify(self, image: Any, *, count: int = 5, threshold: float | None = None) -> list[Face]:
        """Name the faces of an image.

        Args:
            image: One image.
            count: Number of candidates for each face.
            threshold: Similarity from which a face has a name; by default that of the gallery.

        Returns:
            The faces by descending score.
        """
        with errors_in_python():
            store = self._open()
            least = self._threshold(threshold, store)
            prediction = self._pipeline.predict_image(self._read(image).image)
            faces = []
            for i, item in enumerate(prediction.items()):
                embedding = prediction.embedding(i)
                ranked = [] if embedding is None else store.candidates(embedding, count)
                candidates = tuple(Candidate(*pair) for pair in ranked)
                known = bool(candidates) and candidates[0].similarity >= least
                name = candidates[0].name if known else None
                box = as_box(prediction.boxes[i])
                faces.append(Face(name, candidates, box, item.score, prediction.problems[i]))
        return faces

    def verify(
        self,
        image: Any,
        other: Any = None,
        *,
        name: str | None = None,
        threshold: float | None = None,
    ) -> Verification:
        """Compare the face of an image with that of another, or with an enrolled person.

        Args:
            image: An image of one person.
            other: Another one; then the gallery need not exist.
            name: The enrolled person.
            threshold: By default that of the gallery, or else of the model.

        Raises:
            TypeError: If not exactly one of `other` and `name` is given.
            VisusError: If an image does not show one face, or there is no such person.
        """
        if (other is None) == (name is None):
            raise TypeError("verify() compares with another image or with name=, one of the two")
        with errors_in_python():
            embedding = self._embed(self._read(image))[0]
            if name is not None:
                store = self._open()
                similarity = store.similarity(name, embedding)
                return Verification(similarity, self._threshold(threshold, store))
            similarity = float(embedding @ self._embed(self._read(other))[0])
            return Verification(similarity, self._threshold(threshold, None))

    def forget(self, name: str) -> int:
        """Delete a person; returns the number of deleted faces.

        Raises:
            VisusError: If there is no such person.
        """
        with errors_in_python():
            return open_gallery(self.path, None).forget(name)

    def people(self) -> list[Person]:
        """All enrolled people, sorted by name."""
        with errors_in_python():
            return open_gallery(self.path, None).people()

    def find(
        self, image: Any, folder: str | Path, *, threshold: float | None = None
    ) -> list[Found]:
        """Search a folder of images for the person of an image; nobody needs to be enrolled.

        Every image of the folder is embedded, which takes about as long as `identify` for each.

        Args:
            image: An image of one person.
            folder: A folder; its subfolders are searched too.
            threshold: Least similarity, by default that of the model; -1 for all faces.

        Returns:
            The faces, the most similar first; of an image that cannot be read there is a warning.

        Raises:
            VisusError: If the image does not show one face, or the folder holds no image.
        """
        with errors_in_python():
            embedding = self._embed(self._read(image))[0]
            least = self._threshold(threshold, None)
            paths = list_images(Path(folder))
            if not paths:
                raise VisusError(f"{folder}: holds no images; check the path")
            found = []
            for path in paths:
                try:
                    prediction = self._pipeline.predict_image(self._read(path).image)
                except VisusError as error:
                    warnings.warn(str(error), stacklevel=2)
                    continue
                for i in range(len(prediction)):
                    other = prediction.embedding(i)
                    similarity = -2.0 if other is None else float(embedding @ other)
                    if similarity >= least:
                        found.append(Found(path, similarity, as_box(prediction.boxes[i])))
        return sorted(found, key=lambda each: -each.similarity)

    def __repr__(self) -> str:
        """The place of the gallery."""
        return f"<Gallery {self.path}>"

    @cached_property
    def _pipeline(self) -> FacePipeline:
        """The model, with options and state of its own."""
        model = self._given if isinstance(self._given, Model) else load(self._given)
        pipeline = detached(as_face_pipeline(model.inner))
        assert isinstance(pipeline, FacePipeline)
        pipeline.gallery = pipeline.threshold = None
        return pipeline

    @cached_property
    def _existing(self) -> Store:
        return open_gallery(self.path, self._pipeline)

    def _exists(self) -> bool:
        return is_qdrant(self.path) or Path(self.path).exists()

    def _open(self, create: bool = False) -> Store:
        """The gallery; a missing one is created only on request."""
        if create and "_existing" not in vars(self):
            self._existing = open_gallery(self.path, self._pipeline, create=True)
        return self._existing

    def _threshold(self, chosen: float | None, store: Store | None) -> float:
        """The chosen threshold, or that of the gallery, or that of the model."""
        if chosen is not None:
            if not -1 <= chosen <= 1:
                raise VisusError(f"threshold {chosen:g} must lie between -1 and 1")
            return chosen
        if store is None and self._exists():
            store = self._open()
        own = None if store is None else store.calibration
        return (own or self._pipeline.calibration).threshold

    def _read(self, image: Any) -> Frame:
        return read_single(image, self.channels)

    def _embed(self, frame: Frame) -> tuple[NDArray[np.float32], Pixels]:
        return self._pipeline.embed_single_face(frame.image, frame.source)

    def _embed_all(self, images: Any) -> tuple[list[tuple[NDArray[np.float32], Pixels]], list[str]]:
        """The face of each image, and a message for each image without a usable one."""
        faces, problems = [], []
        for frame in self._frames(images):
            if isinstance(frame, str):
                problems.append(frame)
                continue
            try:
                faces.append(self._embed(frame))
            except VisusError as error:
                problems.append(str(error))
        return faces, problems

    def _frames(self, images: Any) -> Iterator[Frame | str]:
        """The images one by one; a message in place of a file that cannot be read."""
        if not isinstance(images, Sequence) or isinstance(images, str | bytes):
            yield from open_images(images, self.channels, 3).frames
            return
        for image in images:
            try:
                frame: Frame | str = self._read(image)
            except VisusError as error:
                frame = str(error)
            yield frame


def _to_png(face: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    return file.getvalue()
