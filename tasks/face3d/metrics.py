"""Errors of 3D faces in shape, landmarks and pose, each beside that of the mean face."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]

ERRORS = ("vertex_error_mm", "similarity_error_mm", "landmark_nme", "pose_error_deg")
"""Names of the errors of a face whose true shape is known."""


@dataclass(frozen=True, eq=False)
class FaceShape:
    """A face in 3D and in its image.

    Attributes:
        vertices: Shape (vertices, 3), in millimetres, in the face's coordinate system.
        rotation: Shape (3, 3).
        landmarks: Shape (68, 2), (x, y) in pixels.
        coefficients: Identity and expression coefficients, shape (coefficients,).
    """

    vertices: Points
    rotation: Points
    landmarks: Points
    coefficients: Points


@dataclass(frozen=True, eq=False)
class FaceErrors:
    """The errors of one face.

    Attributes:
        source: Name of the image; empty for a face in a photograph.
        errors: Errors by the metric's name.
        coefficients: The predicted and the true coefficients; None for a face in a photograph.
    """

    source: str
    errors: dict[str, float]
    coefficients: tuple[Points, Points] | None = None


@dataclass(frozen=True)
class Face3DResult:
    """The metrics of all faces.

    Attributes:
        metrics: Mean errors by name, and `correlation/NAME` of each coefficient with the truth;
            constant coefficients have none.
        records: The errors of each face.
    """

    metrics: dict[str, float]
    records: list[FaceErrors]


@dataclass
class Face3DMetrics:
    """Accumulates the errors of faces, and computes their means.

    Attributes:
        coefficient_names: Names of the coefficients, in order.
        records: The errors of each face.
    """

    coefficient_names: tuple[str, ...]
    records: list[FaceErrors] = field(default_factory=list)

    def update(
        self, source: str, predicted: FaceShape, truth: FaceShape, baseline: FaceShape
    ) -> None:
        """Add a face whose true shape is known.

        Args:
            source: Name of its image.
            predicted: The prediction.
            truth: The true face.
            baseline: The mean face, upright, its landmarks projected with the true pose: the
                prediction of a network that ignores its input.
        """
        errors: dict[str, float] = {}
        for prefix, shape in (("", predicted), ("mean_face_", baseline)):
            rigid = align(shape.vertices, truth.vertices, scaled=False)
            similar = align(shape.vertices, truth.vertices, scaled=True)
            values = (
                _distance(rigid, truth.vertices),
                _distance(similar, truth.vertices),
                landmark_nme(shape.landmarks, truth.landmarks),
                rotation_error(shape.rotation, truth.rotation),
            )
            errors |= {f"{prefix}{key}": v for key, v in zip(ERRORS, values, strict=True)}
        coefficients = (predicted.coefficients, truth.coefficients)
        self.records.append(FaceErrors(source, errors, coefficients))

    def update_photographs(self, errors: list[float]) -> None:
        """Add faces in photographs.

        Args:
            errors: For each face the mean distance of its five landmarks from the detected ones,
                as a fraction of the distance of the eyes.
        """
        self.records += [FaceErrors("", {"five_point_error": error}) for error in errors]

    def compute(self) -> Face3DResult:
        """Means of the errors, and correlations of the coefficients."""
        keys = dict.fromkeys(key for record in self.records for key in record.errors)
        metrics = {
            key: float(np.mean([r.errors[key] for r in self.records if key in r.errors]))
            for key in keys
        }
        pairs = [r.coefficients for r in self.records if r.coefficients is not None]
        if len(pairs) > 1:
            predicted, true = (np.stack(side) for side in zip(*pairs, strict=True))
            for i, name in enumerate(self.coefficient_names):
                if predicted[:, i].std() > 0 and true[:, i].std() > 0:
                    value = float(np.corrcoef(predicted[:, i], true[:, i])[0, 1])
                    metrics[f"correlation/{name}"] = value
        return Face3DResult(metrics, self.records)


def align(points: Points, target: Points, scaled: bool) -> Points:
    """Points after the rotation and translation that bring them nearest to others.

    Umeyama 1991, "Least-Squares Estimation of Transformation Parameters Between Two Point
    Patterns".

    Args:
        points: Shape (N, 3).
        target: Shape (N, 3).
        scaled: Whether to scale the points too.

    Returns:
        Shape (N, 3).
    """
    mean, target_mean = points.mean(0), target.mean(0)
    centred, target_centred = points - mean, target - target_mean
    u, values, vt = np.linalg.svd(target_centred.T @ centred)
    # A rotation has no reflection.
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    scale = (values * signs).sum() / (centred**2).sum() if scaled else 1.0
    aligned: Points = scale * centred @ ((u * signs) @ vt).T + target_mean
    return aligned


def landmark_nme(predicted: Points, true: Points) -> float:
    """Normalised mean error: mean distance divided by the square root of the box's area.

    Args:
        predicted: Shape (68, 2).
        true: Shape (68, 2); the box is theirs.
    """
    sides = np.ptp(true, axis=0)
    return _distance(predicted, true) / float(np.sqrt(sides.prod()))


def rotation_error(predicted: Points, true: Points) -> float:
    """The angle between two rotations of shape (3, 3), in degrees."""
    cosine = (np.trace(predicted.T @ true) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _distance(predicted: Points, true: Points) -> float:
    return float(np.linalg.norm(predicted - true, axis=1).mean())
