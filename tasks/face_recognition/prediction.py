"""Predicted faces of an image: boxes, landmarks, embeddings, and names from a gallery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.found import FoundFaces
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Item, Outputs, as_box
from visus.vision.wording import compared


@dataclass(frozen=True, eq=False)
class FacePrediction(FoundFaces):
    """The faces of an image, sorted by descending score; see `FoundFaces` for the other attributes.

    Attributes:
        problems: For each face why it was not embedded; empty where it was.
        embeddings: float32 of shape (N, embedding), of unit length, NaN where there is a problem;
            None before faces are embedded.
        names: The person's name for each face, None where it is unknown; None without a gallery.
        similarities: float32 of shape (N,), -1 to 1: cosine similarity to the nearest face of the
            gallery, NaN where there is none; None without a gallery.
        nearest: For each face the person of that similarity, also below the threshold, None where
            there is none; None without a gallery.
        threshold: The similarity from which a face has a name; None without a gallery.
        include_embeddings: Whether `to_json` includes the embeddings.
    """

    task: ClassVar[str] = "face_recognition"

    embeddings: NDArray[np.float32] | None = None
    names: tuple[str | None, ...] | None = None
    similarities: NDArray[np.float32] | None = None
    nearest: tuple[str | None, ...] | None = None
    threshold: float | None = None
    include_embeddings: bool = False

    def __post_init__(self) -> None:
        """Validate the shapes and values.

        Raises:
            ValueError: If shapes disagree; see `FoundFaces` too.
        """
        super().__post_init__()
        lists = (self.embeddings, self.names, self.similarities, self.nearest)
        if not all(len(values) == len(self) for values in lists if values is not None):
            raise ValueError(f"{len(self)} faces need as many embeddings, names and similarities")

    def items(self) -> list[Item]:
        """The faces; labels are names, where there is a gallery."""
        items = []
        for i in range(len(self)):
            details: dict[str, str | int | float] = {}
            if self.similarities is not None:
                details["similarity"] = float(self.similarities[i])
            if self.problems[i]:
                details["problem"] = self.problems[i]
            name = "" if self.names is None or self.problems[i] else self.names[i] or "unknown"
            items.append(Item(name, float(self.scores[i]), as_box(self.boxes[i]), details))
        return items

    def select(self, indices: Sequence[int] | NDArray[np.integer]) -> "FacePrediction":
        """See `FoundFaces.select`."""
        index = np.asarray(indices, int)
        bare = replace(self, embeddings=None, names=None, similarities=None, nearest=None)
        return replace(
            super(FacePrediction, bare).select(index),
            embeddings=None if self.embeddings is None else self.embeddings[index],
            names=None if self.names is None else tuple(self.names[i] for i in index),
            similarities=None if self.similarities is None else self.similarities[index],
            nearest=None if self.nearest is None else tuple(self.nearest[i] for i in index),
        )

    def to_json(self) -> dict[str, Any]:
        """`{"task": "face_recognition", "faces": [{"box", "landmarks", "score", ...}, ...]}`.

        With `name` and `similarity` where there is a gallery, `nearest` where no name reaches the
        threshold, `problem` where a face was not embedded, and `embedding` with
        `include_embeddings`.
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
                entry["similarity"] = None if np.isnan(similarity) else round(similarity, 6)
                if self.names[i] is None and self.nearest is not None and self.nearest[i]:
                    entry["nearest"] = self.nearest[i]
            if self.problems[i]:
                entry["problem"] = self.problems[i]
            elif self.include_embeddings and self.embeddings is not None:
                entry["embedding"] = [round(float(value), 7) for value in self.embeddings[i]]
            faces.append(entry)
        return {"task": self.task, "faces": faces}

    def summary(self) -> str:
        """The label of each embedded face, then the problems of the others."""
        if not len(self):
            return "no face"
        embedded = [self._described(i) for i in range(len(self)) if not self.problems[i]]
        others = [problem for problem in self.problems if problem]
        text = ", ".join(embedded) or "no usable face"
        return f"{text}; left out: {', '.join(others)}" if others else text

    def embedding(self, i: int) -> NDArray[np.float32] | None:
        """The embedding of the i-th face; None where it was not embedded."""
        if self.embeddings is None or self.problems[i]:
            return None
        return np.asarray(self.embeddings[i])

    def label(self, i: int) -> str:
        """The name and similarity of the i-th face, or its problem."""
        if self.problems[i]:
            return self.problems[i]
        if self.names is None or self.similarities is None:
            return ""
        return f"{self.names[i] or 'unknown'} {self._similarity(i)}".rstrip()

    def _described(self, i: int) -> str:
        """The label of an embedded face, with the nearest person of an unknown one."""
        if self.names is None:
            return f"a face {self.scores[i]:.2f}"
        if self.names[i] is None and self.nearest is not None and self.nearest[i]:
            return f"unknown (nearest {self.nearest[i]} {self._similarity(i)})"
        return self.label(i)

    def _similarity(self, i: int) -> str:
        """The similarity as text, which never reads as on the other side of the threshold."""
        assert self.similarities is not None
        value = float(self.similarities[i])
        if np.isnan(value):
            return ""
        return f"{value:.2f}" if self.threshold is None else compared(value, self.threshold, 2)[0]


def postprocess(outputs: Outputs, faces: FoundFaces, metadata: ModelMetadata) -> FacePrediction:
    """Combine detected faces with the embeddings that a network computed of them.

    Args:
        outputs: Embeddings of the faces without a problem, (faces, embedding) or, of a single
            face, (embedding,).
        faces: The detected faces.
        metadata: Of the embedding model.
    """
    vectors = np.asarray(outputs[0], np.float32)
    vectors = vectors.reshape(-1, vectors.shape[-1])
    embeddings = np.full((len(faces), vectors.shape[1]), np.nan, np.float32)
    embeddings[[not problem for problem in faces.problems]] = vectors
    return FacePrediction(
        boxes=faces.boxes,
        scores=faces.scores,
        landmarks=faces.landmarks,
        size=faces.size,
        problems=faces.problems,
        embeddings=embeddings,
        include_embeddings=bool(metadata.options.get("include_embeddings", False)),
    )
