"""How well faces in space are found: errors of shape, place and pose, beside the mean face's."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class FaceShape:
    """A face in space and in its image.

    Attributes:
        vertices: Shape (vertices, 3), in millimetres, in the face's own frame.
        rotation: Shape (3, 3).
        landmarks: Shape (68, 2), (x, y) in pixels.
        numbers: Identity and expression numbers, shape (numbers,).
    """

    vertices: Points
    rotation: Points
    landmarks: Points
    numbers: Points


@dataclass
class Face3DMetrics:
    """Errors of faces one by one, and their means.

    Attributes:
        records: For each face its name, and its errors by the figure's name.
        numbers: For each face the numbers that were found, and the true ones.
    """

    records: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    numbers: list[tuple[Points, Points]] = field(default_factory=list)

    def add(self, source: str, found: FaceShape, truth: FaceShape, mean: FaceShape) -> None:
        """Compare one face.

        Args:
            source: What it is called in reports.
            found: As predicted.
            truth: As it is.
            mean: The mean face, upright, its landmarks placed with the true pose: what a network
                that saw nothing would say.
        """
        errors = {}
        for prefix, shape in (("", found), ("mean_face_", mean)):
            rigid = align(shape.vertices, truth.vertices, scaled=False)
            similar = align(shape.vertices, truth.vertices, scaled=True)
            errors[f"{prefix}vertex_error_mm"] = _distance(rigid, truth.vertices)
            errors[f"{prefix}similarity_error_mm"] = _distance(similar, truth.vertices)
            errors[f"{prefix}landmark_nme"] = landmark_nme(shape.landmarks, truth.landmarks)
            errors[f"{prefix}pose_error_deg"] = rotation_error(shape.rotation, truth.rotation)
        self.records.append((source, errors))
        self.numbers.append((found.numbers, truth.numbers))

    def compute(self, names: tuple[str, ...]) -> dict[str, float]:
        """Means over all faces, and the correlation of each number with the true one.

        Args:
            names: Of the numbers, in order. Those that are constant have no correlation.
        """
        if not self.records:
            return {}
        keys = self.records[0][1]
        figures = {key: float(np.mean([e[key] for _, e in self.records])) for key in keys}
        found, true = (np.stack(side) for side in zip(*self.numbers, strict=True))
        for i, name in enumerate(names):
            if len(found) > 1 and found[:, i].std() > 0 and true[:, i].std() > 0:
                value = float(np.corrcoef(found[:, i], true[:, i])[0, 1])
                figures[f"correlation/{name}"] = value
        return figures


def align(points: Points, target: Points, scaled: bool) -> Points:
    """Points turned and shifted, perhaps scaled, to lie nearest to others, without mirroring.

    Umeyama 1991, "Least-Squares Estimation of Transformation Parameters Between Two Point
    Patterns".

    Args:
        points: Shape (N, 3).
        target: Shape (N, 3).
        scaled: Whether their size may change too.

    Returns:
        Shape (N, 3).
    """
    middle, target_middle = points.mean(0), target.mean(0)
    centred, target_centred = points - middle, target - target_middle
    u, values, vt = np.linalg.svd(target_centred.T @ centred)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    scale = (values * signs).sum() / (centred**2).sum() if scaled else 1.0
    aligned: Points = scale * centred @ ((u * signs) @ vt).T + target_middle
    return aligned


def landmark_nme(found: Points, true: Points) -> float:
    """Mean distance of landmarks, as a share of the square root of their box's area.

    Args:
        found: Shape (68, 2).
        true: Shape (68, 2); the box is theirs.
    """
    sides = np.ptp(true, axis=0)
    return _distance(found, true) / float(np.sqrt(sides.prod()))


def rotation_error(found: Points, true: Points) -> float:
    """The angle between two rotations of shape (3, 3), in degrees."""
    cosine = (np.trace(found.T @ true) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _distance(found: Points, true: Points) -> float:
    return float(np.linalg.norm(found - true, axis=1).mean())
