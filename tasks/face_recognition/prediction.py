"""Whose faces an image shows: boxes, landmarks, embeddings, and names from a gallery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs


@dataclass(frozen=True, eq=False)
class FacePrediction:
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

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    size: tuple[int, int]
    problems: tuple[str, ...] = ()
    embeddings: NDArray[np.float32] | None = None
    names: tuple[str | None, ...] | None = None
    similarities: NDArray[np.float32] | None = None
    include_embeddings: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no list of faces.

        Raises:
            ValueError: If shapes disagree, a score is outside 0 to 1, or a box is inverted.
        """
        count = len(self.scores)
        if not self.problems:
            object.__setattr__(self, "problems", ("",) * count)
        lists = (self.problems, self.embeddings, self.names, self.similarities)
        if self.boxes.shape != (count, 4) or self.landmarks.shape != (count, 5, 2):
            raise ValueError(
                f"{count} faces with boxes of shape {self.boxes.shape} and landmarks of shape "
                f"{self.landmarks.shape}"
            )
        if not all(len(values) == count for values in lists if values is not None):
            raise ValueError(f"{count} faces need as many problems, embeddings and names")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must lie between 0 and 1, got {self.scores}")
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError(f"boxes must be (x1, y1, x2, y2) with x1 <= x2, got {self.boxes}")

    @classmethod
    def none(cls, size: tuple[int, int]) -> "FacePrediction":
        """An image of (height, width) pixels without a face."""
        boxes, landmarks = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
        return cls(boxes, np.zeros(0, np.float32), landmarks, size)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.scores)

    @property
    def source_size(self) -> tuple[int, int]:
        """The image's (height, width), as a `Fit` names it."""
        return self.size

    @property
    def sides(self) -> NDArray[np.float32]:
        """The shorter side of each box in pixels, shape (N,)."""
        shorter: NDArray[np.float32] = (self.boxes[:, 2:] - self.boxes[:, :2]).min(1)
        return shorter

    def select(self, indices: Sequence[int] | NDArray[np.integer]) -> "FacePrediction":
        """The faces of these indices, in their order."""
        index = np.asarray(indices, int)
        return replace(
            self,
            boxes=self.boxes[index],
            scores=self.scores[index],
            landmarks=self.landmarks[index],
            problems=tuple(self.problems[i] for i in index),
            embeddings=None if self.embeddings is None else self.embeddings[index],
            names=None if self.names is None else tuple(self.names[i] for i in index),
            similarities=None if self.similarities is None else self.similarities[index],
        )

    def largest(self) -> int:
        """The index of the face with the largest box."""
        return int((self.boxes[:, 2:] - self.boxes[:, :2]).prod(1).argmax())

    def nearest_to_centre(self) -> int:
        """The index of the face whose centre is nearest to the image's."""
        centres = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        middle = np.array([self.size[1] / 2, self.size[0] / 2])
        return int(np.linalg.norm(centres - middle, axis=1).argmin())

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
