"""A linear 3D face model: a mean shape with identity and expression components."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError

FIVE_POINTS = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
"""Indices of the 68 landmarks whose means are the five landmarks of face detectors: the eye on the
left of the image, the other eye, the tip of the nose, and both corners of the mouth."""

FACE_PART = "face"
"""Name of the part that is reconstructed; its vertices come first."""


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A 3D morphable model (Blanz and Vetter 1999).

    A face is `neutral` plus identity coefficients times `identity` plus expression coefficients
    times `expression`. It faces along z; x points to the right of the image, y upwards. Identity
    coefficients are independent with a standard deviation of 1 among people; an expression's
    coefficient is 0 at rest and 1 at full strength.

    Blanz and Vetter 1999, "A Morphable Model for the Synthesis of 3D Faces".

    Attributes:
        name: The name that users give.
        neutral: float32 of shape (vertices, 3): the mean face at rest.
        identity: float32 of shape (components, vertices, 3), by descending variance.
        expression: float32 of shape (expressions, vertices, 3).
        expression_names: One name for each expression.
        triangles: int32 of shape (triangles, 3): vertex indices, counter-clockwise as seen from
            outside.
        landmarks: int32 of shape (68,): vertex indices in the order of the iBUG 68-point markup
            in the image: the jaw from left to right, brows, nose, eyes, mouth.
        millimetres: Millimetres per unit.
        part_names: Names of the parts of the head: `face`, and optionally `head`, `eyes`,
            `teeth`, `mouth`.
        parts: uint8 of shape (triangles,): index of each triangle's part.
    """

    name: str
    neutral: NDArray[np.float32]
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    expression_names: tuple[str, ...]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    millimetres: float
    part_names: tuple[str, ...]
    parts: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Validate the arrays.

        Raises:
            VisusError: If shapes disagree, an index is out of range, or a value is not finite.
        """
        for problem in self._problems():
            raise VisusError(f"face model {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        count = len(self.neutral)
        if self.neutral.ndim != 2 or self.neutral.shape[1] != 3:
            return [f"neutral is of shape {self.neutral.shape}; give (vertices, 3)"]
        problems = []
        for key in ("identity", "expression"):
            shape = getattr(self, key).shape
            if len(shape) != 3 or shape[1:] != (count, 3):
                wanted = f"(components, {count}, 3) as neutral has {count} vertices"
                problems.append(f"{key} is of shape {shape}; give {wanted}")
        for key in ("neutral", "identity", "expression"):
            wrong = np.argwhere(~np.isfinite(getattr(self, key)))
            if len(wrong):
                index = ", ".join(map(str, wrong[0]))
                problems.append(f"{key}[{index}] is not a finite number; fix the file")
        if len(self.expression_names) != len(self.expression):
            problems.append(
                f"{len(self.expression)} expressions have {len(self.expression_names)} names; "
                "name each once"
            )
        if self.landmarks.shape != (68,):
            problems.append(
                f"{len(self.landmarks)} landmarks; 68 are needed, as in the iBUG markup"
            )
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3:
            problems.append(f"triangles is of shape {self.triangles.shape}; give (triangles, 3)")
        elif self.parts.shape != (len(self.triangles),):
            problems.append(f"{len(self.triangles)} triangles have {len(self.parts)} parts")
        for key in ("triangles", "landmarks"):
            values = getattr(self, key)
            outside = np.argwhere((values < 0) | (values >= count))
            if len(outside):
                index = ", ".join(map(str, outside[0]))
                bad = values[tuple(outside[0])]
                problems.append(f"{key}[{index}] is vertex {bad}, there are {count}; fix the file")
        return problems

    @cached_property
    def digest(self) -> str:
        """A hash of all arrays: coefficients of one model have no meaning in another."""
        total = hashlib.sha256()
        for key in ("neutral", "identity", "expression", "triangles", "landmarks", "parts"):
            value = np.ascontiguousarray(getattr(self, key))
            total.update(f"{key} {value.dtype} {value.shape} ".encode())
            total.update(value.tobytes())
        total.update(" ".join((*self.expression_names, *self.part_names)).encode())
        return total.hexdigest()

    @property
    def face(self) -> "FaceModel":
        """The face without the other parts of the head, in the same order and units.

        Raises:
            VisusError: If the vertices of the face do not come first.
        """
        if FACE_PART not in self.part_names:
            raise VisusError(f"face model {self.name!r}: has no part named {FACE_PART!r}")
        triangles = self.triangles[self.parts == self.part_names.index(FACE_PART)]
        count = int(triangles.max()) + 1
        if int(self.landmarks.max()) >= count or len(np.unique(triangles)) != count:
            raise VisusError(
                f"face model {self.name!r}: the vertices of the face must come first, the "
                "landmarks among them"
            )
        return FaceModel(
            self.name,
            self.neutral[:count],
            self.identity[:, :count],
            self.expression[:, :count],
            self.expression_names,
            triangles,
            self.landmarks,
            self.millimetres,
            (FACE_PART,),
            np.zeros(len(triangles), np.uint8),
        )

    def spread_points(self, count: int) -> NDArray[np.int32]:
        """Vertices that are spread over the front of the face: the landmarks, and others.

        The others are chosen by farthest point sampling.

        Args:
            count: Number of vertices, at least 68.

        Returns:
            int32 of shape (count,): vertex indices, the landmarks first.

        Raises:
            VisusError: If the front has fewer vertices.
        """
        low, high = self.neutral[self.landmarks].min(0), self.neutral[self.landmarks].max(0)
        # The landmarks end at the brows.
        high = np.array([high[0], high[1] + 0.25 * (high[1] - low[1]), np.inf])
        front = np.flatnonzero(((self.neutral >= low) & (self.neutral <= high)).all(1))
        if not 68 <= count <= 68 + len(front):
            raise VisusError(
                f"model.points {count}: choose 68, the landmarks, to {68 + len(front)}, all "
                f"vertices of the front of face model {self.name!r}"
            )
        candidates = self.neutral[front]
        nearest = np.full(len(front), np.inf)
        chosen = list(self.landmarks)
        for i in range(count):
            if i >= 68:
                chosen.append(front[int(nearest.argmax())])
            distance = np.linalg.norm(candidates - self.neutral[chosen[i]], axis=1)
            nearest = np.minimum(nearest, distance)
        return np.array(chosen, np.int32)

    def choose(self, components: int, expressions: tuple[str, ...]) -> "FaceModel":
        """The model with its first identity components and some of its expressions.

        Args:
            components: Number of identity components.
            expressions: Names of the expressions, in order; empty for all.

        Raises:
            VisusError: If the model has fewer components, or a name is unknown.
        """
        if not 1 <= components <= len(self.identity):
            raise VisusError(
                f"data.components {components}: face model {self.name!r} has "
                f"{len(self.identity)} identity components; choose 1 to {len(self.identity)}"
            )
        unknown = [name for name in expressions if name not in self.expression_names]
        if unknown:
            raise VisusError(
                f"data.expressions {unknown[0]!r}: face model {self.name!r} has no such "
                f"expression, it has {', '.join(self.expression_names)}"
            )
        names = expressions or self.expression_names
        rows = [self.expression_names.index(name) for name in names]
        return FaceModel(
            self.name,
            self.neutral,
            self.identity[:components],
            self.expression[rows],
            tuple(names),
            self.triangles,
            self.landmarks,
            self.millimetres,
            self.part_names,
            self.parts,
        )

    def trim(self, chosen: NDArray[np.bool_]) -> tuple["FaceModel", NDArray[np.int32]]:
        """The model with some of its triangles, their vertices and the landmarks.

        Args:
            chosen: Shape (triangles,).

        Returns:
            The smaller model, and the indices of its vertices in this one, int32 in order.
        """
        triangles = self.triangles[chosen]
        vertices = np.union1d(triangles, self.landmarks).astype(np.int32)
        return FaceModel(
            self.name,
            self.neutral[vertices],
            self.identity[:, vertices],
            self.expression[:, vertices],
            self.expression_names,
            np.searchsorted(vertices, triangles).astype(np.int32),
            np.searchsorted(vertices, self.landmarks).astype(np.int32),
            self.millimetres,
            self.part_names,
            self.parts[chosen],
        ), vertices


def five_points(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """The five landmarks of face detectors from the 68 landmarks; see `FIVE_POINTS`.

    Args:
        landmarks: Shape (..., 68, dimensions).

    Returns:
        float32 of shape (..., 5, dimensions).
    """
    points = [np.mean(landmarks[..., list(group), :], axis=-2) for group in FIVE_POINTS]
    return np.stack(points, axis=-2).astype(np.float32)
