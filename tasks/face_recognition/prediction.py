"""Whose faces an image shows: boxes, landmarks, embeddings, and names from a gallery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.found import FoundFaces
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs


@dataclass(frozen=True, eq=False)
class FacePrediction(FoundFaces):
    """The faces found in an image, the surest first.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels of the image.
        scores: float32 of shape (N,), 0 to 1: how sure it is that this is a face.
        landmarks: float32 of shape (N, 5, 2), (x, y) in pixels: the eye on the left of the
            image, the other, the nose, the corner of the mouth on the left, the other.
        size: (height, width) of the image in pixels.
        problems: For each face why it was not embedded; empty where it was.
        embeddings: float32 of shape (N, numbers), of length one, NaN where there is none; None
            before faces are embedded.
        names: For each face who it is, None for unknown; None where no gallery was asked.
        similarities: float32 of shape (N,), -1 to 1: cosine to the most similar face of the
            gallery, NaN where there is none; None where no gallery was asked.
        tells_embeddings: Whether `to_json` holds the embeddings.
    """

    task: ClassVar[str] = "face_recognition"

    embeddings: NDArray[np.float32] | None = None
    names: tuple[str | None, ...] | None = None
    similarities: NDArray[np.float32] | None = None
    include_embeddings: bool = False

    def __post_init__(self) -> None:
        """Validate the shapes and values.

        Raises:
            ValueError: If shapes disagree; see `FoundFaces` too.
        """
        super().__post_init__()
        lists = (self.embeddings, self.names, self.similarities)
        if not all(len(values) == len(self) for values in lists if values is not None):
            raise ValueError(f"{len(self)} faces need as many embeddings, names and similarities")

    def to_json(self) -> dict[str, Any]:
        """`{"task": "face_recognition", "faces": [{"box", "landmarks", "score", ...}, ...]}`.

        `name` and `similarity` where a gallery was asked, `problem` where a face was not embedded,
        `embedding` where it was asked for.
        """
        faces = []
        for i in range(len(self)):
            entry: dict[str, Any] = {
                "box": [round(float(value), 2) for value in self.boxes[i]],
                "landmarks": [[round(float(v), 2) for v in point] for point in self.landmarks[i]],
                "score": round(float(self.scores[i]), 6),
            }
            if self.names is not None and self.similarities is not None:
                similarity = float(self.similarities[i])
                entry["name"] = self.names[i]
                entry["similarity"] = None if np.isnan(similarity) else round(similarity, 4)
            if self.problems[i]:
                entry["problem"] = self.problems[i]
            elif self.include_embeddings and self.embeddings is not None:
                entry["embedding"] = [round(float(value), 7) for value in self.embeddings[i]]
            faces.append(entry)
        return {"task": self.task, "faces": faces}

    def summary(self) -> str:
        """How many faces, and who they are."""
        if not len(self):
            return "no face"
        return ", ".join(self.label(i) or "a face" for i in range(len(self)))

    def label(self, i: int) -> str:
        """What to write beside the i-th face: its name and similarity, or its problem."""
        if self.problems[i]:
            return self.problems[i]
        if self.names is None or self.similarities is None:
            return ""
        name = self.names[i] or "unknown"
        similarity = self.similarities[i]
        return name if np.isnan(similarity) else f"{name} {similarity:.2f}"


def postprocess(outputs: Outputs, found: FacePrediction, metadata: ModelMetadata) -> FacePrediction:
    """Give faces the embeddings that a network made of them.

    Args:
        outputs: Embeddings of the faces without a problem, (faces, numbers) or, of a single face,
            (numbers,).
        found: The faces that were aligned for the network.
        metadata: The model's.
    """
    vectors = np.asarray(outputs[0], np.float32)
    vectors = vectors.reshape(-1, vectors.shape[-1])
    embeddings = np.full((len(found), vectors.shape[1]), np.nan, np.float32)
    embeddings[[not problem for problem in found.problems]] = vectors
    tells = bool(metadata.options.get("tells_embeddings", False))
    return replace(found, embeddings=embeddings, include_embeddings=tells)
