"""Random heads in front of a camera: identity, expression, pose, and the visible triangles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.camera import rotation_from_angles
from visus.models.face3d.face_model import FaceModel, five_points
from visus.models.face3d.renderer import rasterise
from visus.vision.faces.crop import face_square

_ANGLE_STD = (24.0, 11.0, 10.0)
_ANGLE_LIMITS = (60.0, 30.0, 30.0)
"""Standard deviations and limits of yaw, pitch and roll in degrees."""

_NEUTRAL_PROBABILITY = 0.15
"""Probability of a face without any expression."""

_VISIBILITY_SAMPLES = 256
"""Number of heads that are rasterised to determine the visible triangles."""


@dataclass(frozen=True, eq=False)
class HeadParameters:
    """Shapes and poses of heads.

    Attributes:
        identity: float32 (batch, components).
        expression: float32 (batch, expressions), 0 to 1.
        rotation: float32 (batch, 3, 3), see `visus.models.face3d.camera`.
        scale: float32 (batch,): pixels per unit of the model.
        position: float32 (batch, 2): position of the model's origin in pixels.
    """

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    rotation: NDArray[np.float32]
    scale: NDArray[np.float32]
    position: NDArray[np.float32]


class RandomHeads:
    """Samples heads, and places them in the image as a crop around a detected face.

    Args:
        model: The head, with the identity components and expressions to use.
        size: (height, width) of the images in pixels.
    """

    def __init__(self, model: FaceModel, size: tuple[int, int]) -> None:
        self.model = model
        self.size = size
        basis = np.concatenate([model.identity, model.expression])
        self._basis = basis.reshape(len(basis), -1)

    def __call__(
        self, rngs: Sequence[np.random.Generator]
    ) -> tuple[NDArray[np.float32], HeadParameters]:
        """One head for each generator.

        Returns:
            float32 (batch, vertices, 3): x to the right and y downwards in pixels, z towards the
            viewer; and the parameters of the heads.
        """
        drawn = np.stack([rng.standard_normal(len(self.model.identity)) for rng in rngs])
        identity = np.asarray(np.clip(drawn, -3, 3), np.float32)
        expression = np.stack([self._expression(rng) for rng in rngs])
        coefficients = np.concatenate([identity, expression], axis=1)
        shapes = (coefficients @ self._basis).reshape(len(rngs), *self.model.neutral.shape)
        shapes += self.model.neutral
        angles = np.stack([rng.normal(0, _ANGLE_STD) for rng in rngs])
        rotation = rotation_from_angles(np.clip(angles, -np.array(_ANGLE_LIMITS), _ANGLE_LIMITS))
        landmarks = shapes[:, self.model.landmarks] @ rotation.transpose(0, 2, 1)
        scale, position = self._position(landmarks, rngs)
        to_pixels = scale[:, None, None] * np.array([1, -1, 1], np.float32)
        vertices = shapes @ (rotation.transpose(0, 2, 1) * to_pixels)
        # One axis after the other: NumPy is ten times as slow where the innermost axis is short.
        vertices[..., 0] += position[:, :1]
        vertices[..., 1] += position[:, 1:]
        return vertices, HeadParameters(identity, expression, rotation, scale, position)

    def _expression(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Expression coefficients, mostly similar on the left and on the right side."""
        names = self.model.expression_names
        strength: dict[str, float] = {}
        values = np.zeros(len(names), np.float32)
        if rng.random() < _NEUTRAL_PROBABILITY:
            return values
        for i, name in enumerate(names):
            group = name.removesuffix("_L").removesuffix("_R")
            if group not in strength:
                strength[group] = rng.random() if rng.random() < 0.3 else 0.0
            asymmetry = rng.random() if rng.random() < 0.1 else rng.uniform(0.85, 1.15)
            values[i] = min(1.0, strength[group] * asymmetry)
        return values

    def _position(
        self, landmarks: NDArray[np.float32], rngs: Sequence[np.random.Generator]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scale and position, approximately as from the five landmarks of a face detector."""
        flat = landmarks[..., :2] * np.array([1, -1], np.float32)
        left, top, side = jitter_squares(face_square(five_points(flat)), rngs).T
        scale = self.size[1] / side
        position = -np.stack([left, top], 1) * scale[:, None]
        return scale.astype(np.float32), position.astype(np.float32)


def jitter_squares(
    squares: NDArray[np.floating], rngs: Sequence[np.random.Generator]
) -> NDArray[np.floating]:
    """Squares around faces with random errors of position and size, like those of a detector.

    Args:
        squares: As `face_square` returns them, shape (faces, 3).
        rngs: One generator for each.
    """
    side = squares[:, 2] * np.array([rng.uniform(0.87, 1.15) for rng in rngs])
    shift = np.stack([rng.normal(0, 0.025, 2) for rng in rngs]) * side[:, None]
    # Around the same centre.
    corner = squares[:, :2] - (side - squares[:, 2])[:, None] / 2
    jittered: NDArray[np.floating] = np.column_stack([corner + shift, side])
    return jittered


@lru_cache(maxsize=2)
def visible_triangles(model: FaceModel, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The triangles that are visible in images of random heads, and their neighbours.

    The others, such as the backs of eyes, teeth and head, need not be rasterised.

    Args:
        model: The head.
        size: (height, width) of the images in pixels.

    Returns:
        Shape (triangles,).
    """
    heads = RandomHeads(model, size)
    visible = np.zeros(len(model.triangles) + 1, bool)
    for first in range(0, _VISIBILITY_SAMPLES, 16):
        vertices, _ = heads([np.random.default_rng((first, i)) for i in range(16)])
        # `BACKGROUND` is the last index.
        visible[rasterise(vertices, model.triangles, size).triangles] = True
    used = np.zeros(len(model.neutral), bool)
    used[model.triangles[visible[:-1]]] = True
    return np.asarray(used[model.triangles].any(1))
