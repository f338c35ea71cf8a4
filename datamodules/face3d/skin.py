"""Random vertex colours of heads: skin, lips, brows, beard, hair and eyes."""

from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.face_model import FACE_PART, FaceModel

_DARKEST, _LIGHTEST = np.array([0.20, 0.12, 0.08]), np.array([0.93, 0.76, 0.66])
"""Limits of the RGB of skin, 0 to 1."""

_FIELDS = 12
"""Number of smooth patterns for blotches of the skin."""

_BALD, _BEARDED, _MADE_UP = 0.12, 0.35, 0.3
"""Probabilities of heads without hair, with a beard, and with lipstick."""

_LIPS, _BROWS, _BEARD, _WHITE, _IRIS, _PUPIL, _TEETH, _MOUTH = range(8)


@dataclass(frozen=True, eq=False)
class Complexion:
    """The colours of one head.

    Attributes:
        skin: float32 (3,): RGB of the skin, 0 to 1.
        hair: float32 (3,): RGB of the hair.
        albedo: float32 (vertices, 3): RGB of each vertex.
    """

    skin: NDArray[np.float32]
    hair: NDArray[np.float32]
    albedo: NDArray[np.float32]


class ComplexionSampler:
    """Samples colours for the heads of a face model.

    Args:
        model: The whole head, or the face alone.
    """

    def __init__(self, model: FaceModel) -> None:
        ones = np.ones((len(model.neutral), 1), np.float32)
        self.patterns = np.concatenate([ones, _regions(model), _smooth_fields(model.neutral)], 1)
        self.hair_height = _hair_height(model)

    def select(self, vertices: NDArray[np.integer]) -> "ComplexionSampler":
        """The sampler for a subset of the vertices."""
        subset = copy(self)
        subset.patterns, subset.hair_height = self.patterns[vertices], self.hair_height[vertices]
        return subset

    def __call__(self, rng: np.random.Generator) -> Complexion:
        """Sample the colours of one head."""
        tone = rng.beta(1.6, 1.1)
        skin = _DARKEST + tone * (_LIGHTEST - _DARKEST) + rng.normal(0, 0.02, 3)
        skin = np.clip(skin * rng.uniform(0.9, 1.1), 0.05, 1.0).astype(np.float32)
        hair = np.array([0.05, 0.04, 0.04]) + rng.beta(1, 2.5) * np.array([0.75, 0.6, 0.4])
        hair = np.clip(hair + rng.normal(0, 0.02, 3), 0.01, 1).astype(np.float32)
        colours = np.empty((8, 3), np.float32)
        red = rng.uniform(0.5, 1.0) if rng.random() < _MADE_UP else rng.uniform(0, 0.4)
        colours[_LIPS] = skin * (0.95, 0.72, 0.72) * (1 - red) + np.array([0.7, 0.12, 0.18]) * red
        colours[_BROWS] = 0.6 * hair + 0.1 * skin
        colours[_BEARD] = 0.7 * hair + 0.15 * skin
        colours[_WHITE] = rng.uniform(0.75, 0.95)
        colours[_IRIS] = rng.uniform((0.1, 0.1, 0.05), (0.45, 0.45, 0.5))
        colours[_PUPIL] = 0.03
        colours[_TEETH] = np.array([0.9, 0.87, 0.78]) * rng.uniform(0.7, 1.0)
        colours[_MOUTH] = (0.35, 0.12, 0.12)
        strength = np.ones((8, 1), np.float32)
        strength[_LIPS] = rng.uniform(0.4, 1.0)
        strength[_BROWS] = rng.uniform(0.2, 1.0)
        strength[_BEARD] = rng.uniform(0.1, 0.8) if rng.random() < _BEARDED else 0.0
        # Regions and blotches are sums of fixed patterns, so that one matrix product suffices.
        blotches = skin * (rng.normal(0, 0.02, (_FIELDS, 1)) + rng.normal(0, 0.004, (_FIELDS, 3)))
        mixture = np.concatenate([skin[None], strength * (colours - skin), blotches])
        albedo: NDArray[np.float32] = self.patterns @ mixture.astype(np.float32)
        if rng.random() >= _BALD:
            covered = self.hair_height > rng.uniform(4.0, 7.0)
            waves = rng.normal(0, 0.15, (_FIELDS, 1)).astype(np.float32)
            albedo[covered] = hair * (1 + self.patterns[:, -_FIELDS:] @ waves)[covered]
        return Complexion(skin, np.asarray(hair, np.float32), albedo)


def _regions(model: FaceModel) -> NDArray[np.float32]:
    """Weights of the regions at each vertex, shape (vertices, 8); the rest is skin."""
    points, landmarks = model.neutral, model.neutral[model.landmarks]
    unit = _unit(model)
    weights = np.zeros((len(points), 8), np.float32)
    part_of = np.zeros(len(points), int)
    for part in range(len(model.part_names)):
        part_of[model.triangles[model.parts == part]] = part
    names = np.array(model.part_names)[part_of]
    face = (names == FACE_PART) & (points[:, 2] > landmarks[:, 2].min() - unit)
    mouth = np.ascontiguousarray(landmarks[48:60, :2], np.float32)
    for i in np.flatnonzero(face & (points[:, 2] > landmarks[48:60, 2].min() - 1.5 * unit)):
        inside = cv2.pointPolygonTest(mouth, tuple(map(float, points[i, :2])), True)
        weights[i, _LIPS] = np.clip(inside / (0.2 * unit) + 0.5, 0, 1)
    for brow in (landmarks[17:22], landmarks[22:27]):
        distance = _distance_to_line(points[:, :2], brow[:, :2])
        weights[:, _BROWS] += np.where(face, np.clip(1.5 - distance / (0.35 * unit), 0, 1), 0)
    nose, chin = landmarks[33, 1], landmarks[8, 1]
    below = np.clip((nose - points[:, 1]) / (0.5 * unit), 0, 1)
    above = np.clip((points[:, 1] - chin) / (1.5 * unit) + 1, 0, 1)
    weights[:, _BEARD] = np.where(face, below * above * (1 - weights[:, _LIPS]), 0)
    weights[names == "teeth", _TEETH] = 1
    weights[names == "mouth", _MOUTH] = 1
    for side in (-1, 1):
        eye = (names == "eyes") & (points[:, 0] * side > 0)
        if not eye.any():
            continue
        outwards = points[eye] - points[eye].mean(0)
        cosine = outwards[:, 2] / np.linalg.norm(outwards, axis=1)
        angle = np.arccos(np.clip(cosine, -1, 1))
        pupil = np.clip((0.2 - angle) / 0.06 + 0.5, 0, 1)
        iris = np.clip((0.5 - angle) / 0.06 + 0.5, 0, 1) - pupil
        weights[eye, _PUPIL], weights[eye, _IRIS] = pupil, iris
        weights[eye, _WHITE] = 1 - pupil - iris
    total = weights.sum(1, keepdims=True)
    return np.asarray(weights / np.maximum(total, 1), np.float32)


def _hair_height(model: FaceModel) -> NDArray[np.float32]:
    """Height of each vertex above the brows in centimetres, increased towards the back."""
    landmarks, unit = model.neutral[model.landmarks], _unit(model)
    brow, front = landmarks[17:27, 1].mean(), landmarks[36:48, 2].mean()
    height = (model.neutral[:, 1] - brow) + 0.6 * (front - model.neutral[:, 2])
    part_of = np.zeros(len(height), int)
    for part, name in enumerate(model.part_names):
        part_of[model.triangles[model.parts == part]] = name in (FACE_PART, "head")
    return np.where(part_of, height / unit, -np.inf).astype(np.float32)


def _smooth_fields(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Waves through the head, shape (vertices, fields); their random sums are blotches."""
    rng = np.random.default_rng(1)
    size = np.ptp(points, axis=0).max()
    waves = rng.normal(0, 1, (3, _FIELDS)) * rng.uniform(0.5, 8, _FIELDS) * 2 * np.pi / size
    fields: NDArray[np.float32] = np.cos(points @ waves + rng.uniform(0, 2 * np.pi, _FIELDS))
    return fields.astype(np.float32)


def _distance_to_line(
    points: NDArray[np.floating], line: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Distance of each point to the nearest segment of a polyline."""
    nearest = np.full(len(points), np.inf)
    for start, end in pairwise(line):
        segment = end - start
        fraction = np.clip((points - start) @ segment / (segment @ segment), 0, 1)
        distance = np.linalg.norm(points - start - fraction[:, None] * segment, axis=1)
        nearest = np.minimum(nearest, distance)
    return nearest


def _unit(model: FaceModel) -> float:
    """The length of a centimetre in the model's units."""
    return 10.0 / model.millimetres
