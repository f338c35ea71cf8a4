"""Random heads before a camera: identity, expression, pose and place, and what is seen of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.camera import rotation_from_angles
from visus.models.face3d.face_model import FaceModel, five_points
from visus.models.face3d.renderer import rasterise
from visus.vision.faces.crop import face_square

_SPREAD = (24.0, 11.0, 10.0)
_LIMITS = (60.0, 30.0, 30.0)
"""Standard deviations and limits of yaw, pitch and roll in degrees."""

_REST = 0.15
"""Share of the faces without any expression."""

_LOOKED_AT = 256
"""Heads that are drawn to find out what can be seen."""


@dataclass(frozen=True, eq=False)
class HeadParameters:
    """Shapes and poses of heads.

    Attributes:
        identity: float32 (batch, components).
        expression: float32 (batch, expressions), 0 to 1.
        rotation: float32 (batch, 3, 3), see `models.face3d.camera`.
        scale: float32 (batch,): pixels for one unit of the model.
        position: float32 (batch, 2): where the model's origin lies in pixels.
    """

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    rotation: NDArray[np.float32]
    scale: NDArray[np.float32]
    position: NDArray[np.float32]


class RandomHeads:
    """Chooses heads, and puts them before the camera as a face finder would cut them out.

    Args:
        model: With the identity components and expressions to be used.
        size: (height, width) of the images in pixels.
    """

    def __init__(self, model: FaceModel, size: tuple[int, int]) -> None:
        self.model = model
        self.size = size
        modes = np.concatenate([model.identity, model.expression])
        self._modes = modes.reshape(len(modes), -1)

    def __call__(
        self, rngs: Sequence[np.random.Generator]
    ) -> tuple[NDArray[np.float32], HeadParameters]:
        """One head for each generator.

        Returns:
            float32 (batch, vertices, 3): x to the right and y downwards in pixels, z towards the
            viewer; and the numbers that put them there.
        """
        drawn = np.stack([rng.standard_normal(len(self.model.identity)) for rng in rngs])
        identity = np.asarray(np.clip(drawn, -3, 3), np.float32)
        expression = np.stack([self._expression(rng) for rng in rngs])
        numbers = np.concatenate([identity, expression], axis=1)
        shapes = (numbers @ self._modes).reshape(len(rngs), *self.model.neutral.shape)
        shapes += self.model.neutral
        angles = np.stack([rng.normal(0, _SPREAD) for rng in rngs])
        rotation = rotation_from_angles(np.clip(angles, -np.array(_LIMITS), _LIMITS))
        marks = shapes[:, self.model.landmarks] @ rotation.transpose(0, 2, 1)
        scale, position = self._place(marks, rngs)
        flat = scale[:, None, None] * np.array([1, -1, 1], np.float32)
        placed = shapes @ (rotation.transpose(0, 2, 1) * flat)
        # One axis after the other: NumPy is ten times as slow where the innermost axis is short.
        placed[..., 0] += position[:, :1]
        placed[..., 1] += position[:, 1:]
        return placed, HeadParameters(identity, expression, rotation, scale, position)

    def _expression(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Some expressions, mostly as strong on the left as on the right."""
        names = self.model.expression_names
        strength: dict[str, float] = {}
        values = np.zeros(len(names), np.float32)
        if rng.random() < _REST:
            return values
        for i, name in enumerate(names):
            both = name.removesuffix("_L").removesuffix("_R")
            if both not in strength:
                strength[both] = rng.random() if rng.random() < 0.3 else 0.0
            aside = rng.random() if rng.random() < 0.1 else rng.uniform(0.85, 1.15)
            values[i] = min(1.0, strength[both] * aside)
        return values

    def _place(
        self, marks: NDArray[np.float32], rngs: Sequence[np.random.Generator]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scale and position: about what the five landmarks of a face finder would give."""
        flat = marks[..., :2] * np.array([1, -1], np.float32)
        left, top, side = misplaced(face_square(five_points(flat)), rngs).T
        scale = self.size[1] / side
        position = -np.stack([left, top], 1) * scale[:, None]
        return scale.astype(np.float32), position.astype(np.float32)


def misplaced(
    squares: NDArray[np.floating], rngs: Sequence[np.random.Generator]
) -> NDArray[np.floating]:
    """Squares around faces where a face finder may see them, which errs.

    Args:
        squares: As `face_square` tells them, shape (faces, 3).
        rngs: One for each.
    """
    side = squares[:, 2] * np.array([rng.uniform(0.87, 1.15) for rng in rngs])
    shift = np.stack([rng.normal(0, 0.025, 2) for rng in rngs]) * side[:, None]
    # Around the same middle.
    corner = squares[:, :2] - (side - squares[:, 2])[:, None] / 2
    moved: NDArray[np.floating] = np.column_stack([corner + shift, side])
    return moved


@lru_cache(maxsize=2)
def visible_triangles(model: FaceModel, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which triangles some hundred random heads show in images of a size, and those around them.

    The rest, such as the backs of eyes and teeth and of the head, need not be drawn.
    """
    heads = RandomHeads(model, size)
    seen = np.zeros(len(model.triangles) + 1, bool)
    for first in range(0, _LOOKED_AT, 16):
        placed, _ = heads([np.random.default_rng((first, i)) for i in range(16)])
        # `NOTHING` is the last.
        seen[rasterise(placed, model.triangles, size).triangles] = True
    touched = np.zeros(len(model.neutral), bool)
    touched[model.triangles[seen[:-1]]] = True
    return np.asarray(touched[model.triangles].any(1))
