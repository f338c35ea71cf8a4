"""A linear model of faces: a mean shape, and how identity and expression move its vertices."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError

FIVE_POINTS = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
"""Which of the 68 landmarks have their middle at the eye on the left of the image, the other
eye, the tip of the nose, and both corners of the mouth: what face finders tell."""

FACE_PART = "face"
"""The part whose vertices come first, and are what is reconstructed."""


@dataclass(frozen=True, eq=False)
class FaceModel:
    """Shapes of faces as `neutral + identity numbers * identity + expression numbers * expression`.

    Blanz and Vetter 1999, "A Morphable Model for the Synthesis of 3D Faces". The person looks
    along z; x points to the right in the image, y upwards. Identity numbers are independent and
    of standard deviation 1 among people; an expression's number is 0 at rest and 1 when it is
    full.

    Attributes:
        name: What users call it.
        neutral: float32 of shape (vertices, 3): the mean face at rest.
        identity: float32 of shape (components, vertices, 3), the one that moves most first.
        expression: float32 of shape (expressions, vertices, 3).
        expression_names: One for each expression.
        triangles: int32 of shape (triangles, 3): indices of vertices, counter-clockwise as seen
            from outside.
        landmarks: int32 of shape (68,): indices of vertices, in the order of the iBUG 68-point
            markup as it is in the image: the jaw from left to right, brows, nose, eyes, mouth.
        millimetres: Of one unit.
        part_names: What the parts of a head are called: `face`, and perhaps `head`, `eyes`,
            `teeth`, `mouth`.
        parts: uint8 of shape (triangles,): to which part each triangle belongs.
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
        """Refuse what is no such model.

        Raises:
            VisusError: Names what is wrong, and the remedy.
        """
        for problem in self._problems():
            raise VisusError(f"face model {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        count = len(self.neutral)
        if self.neutral.ndim != 2 or self.neutral.shape[1] != 3:
            return [f"neutral is of shape {self.neutral.shape}; give (vertices, 3)"]
        found = []
        for key in ("identity", "expression"):
            shape = getattr(self, key).shape
            if len(shape) != 3 or shape[1:] != (count, 3):
                wanted = f"(components, {count}, 3) as neutral has {count} vertices"
                found.append(f"{key} is of shape {shape}; give {wanted}")
        for key in ("neutral", "identity", "expression"):
            wrong = np.argwhere(~np.isfinite(getattr(self, key)))
            if len(wrong):
                place = ", ".join(map(str, wrong[0]))
                found.append(f"{key}[{place}] is not a finite number; mend the file")
        if len(self.expression_names) != len(self.expression):
            found.append(
                f"{len(self.expression)} expressions have {len(self.expression_names)} names; "
                "name each once"
            )
        if self.landmarks.shape != (68,):
            found.append(f"{len(self.landmarks)} landmarks; 68 are needed, as in the iBUG markup")
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3:
            found.append(f"triangles is of shape {self.triangles.shape}; give (triangles, 3)")
        elif self.parts.shape != (len(self.triangles),):
            found.append(f"{len(self.triangles)} triangles have {len(self.parts)} parts")
        for key in ("triangles", "landmarks"):
            values = getattr(self, key)
            outside = np.argwhere((values < 0) | (values >= count))
            if len(outside):
                place = ", ".join(map(str, outside[0]))
                bad = values[tuple(outside[0])]
                found.append(f"{key}[{place}] is vertex {bad}, there are {count}; mend the file")
        return found

    @cached_property
    def digest(self) -> str:
        """A hash of all numbers: what was trained with one model means nothing to another."""
        total = hashlib.sha256()
        for key in ("neutral", "identity", "expression", "triangles", "landmarks", "parts"):
            value = np.ascontiguousarray(getattr(self, key))
            total.update(f"{key} {value.dtype} {value.shape} ".encode())
            total.update(value.tobytes())
        total.update(" ".join((*self.expression_names, *self.part_names)).encode())
        return total.hexdigest()

    @property
    def face(self) -> "FaceModel":
        """The face alone, without what else belongs to the head, in the same order and units.

        Raises:
            VisusError: If its vertices do not come before all others.
        """
        if FACE_PART not in self.part_names:
            raise VisusError(f"face model {self.name!r}: has no part called {FACE_PART!r}")
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
        """Vertices that stand for the front of the face: the landmarks, and others between them.

        Each of the others is the one that lies farthest from all that are chosen before it.

        Args:
            count: How many, 68 at least.

        Returns:
            int32 of shape (count,): indices of vertices, the landmarks first.

        Raises:
            VisusError: If there are not so many.
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
        places = self.neutral[front]
        away = np.full(len(front), np.inf)
        chosen = list(self.landmarks)
        for number in range(count):
            if number >= 68:
                chosen.append(front[int(away.argmax())])
            distance = np.linalg.norm(places - self.neutral[chosen[number]], axis=1)
            away = np.minimum(away, distance)
        return np.array(chosen, np.int32)

    def choose(self, components: int, expressions: tuple[str, ...]) -> "FaceModel":
        """The model with its first identity components and some expressions only.

        Args:
            components: How many.
            expressions: Names, in the order to have them; empty for all.

        Raises:
            VisusError: If there are not so many, or a name is unknown.
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
        """Some triangles, with their vertices and the landmarks alone.

        Args:
            chosen: Shape (triangles,).

        Returns:
            The smaller model, and which vertices it has kept, in order.
        """
        triangles = self.triangles[chosen]
        kept = np.union1d(triangles, self.landmarks).astype(np.int32)
        return FaceModel(
            self.name,
            self.neutral[kept],
            self.identity[:, kept],
            self.expression[:, kept],
            self.expression_names,
            np.searchsorted(kept, triangles).astype(np.int32),
            np.searchsorted(kept, self.landmarks).astype(np.int32),
            self.millimetres,
            self.part_names,
            self.parts[chosen],
        ), kept


def five_points(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Eyes, nose and corners of the mouth, from the 68 landmarks.

    Args:
        landmarks: Shape (..., 68, dimensions).

    Returns:
        float32 of shape (..., 5, dimensions).
    """
    points = [np.mean(landmarks[..., list(group), :], axis=-2) for group in FIVE_POINTS]
    return np.stack(points, axis=-2).astype(np.float32)
