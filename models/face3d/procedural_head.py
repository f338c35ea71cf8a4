"""A procedural head: a small face model for tests and first runs, without a download."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.face_model import FACE_PART, FaceModel

_ROWS, _COLUMNS = 57, 65
_WIDTH, _HEIGHT, _DEPTH = 7.6, 10.5, 9.0
"""Semi-axes of the head in centimetres."""

_COMPONENTS = 40

# Bumps on the head: (x, y) of the centre, (width, height), depth, all in centimetres.
_BUMPS = (
    ((0.0, -0.6), (0.9, 1.5), 2.0),  # the nose
    ((0.0, -1.4), (1.5, 0.6), 0.9),  # its wings
    ((-3.0, 2.2), (1.3, 0.8), -0.7),  # eye sockets
    ((3.0, 2.2), (1.3, 0.8), -0.7),
    ((0.0, 3.6), (4.0, 0.7), 0.4),  # the brow
    ((0.0, -3.4), (1.8, 0.35), 0.5),  # the upper lip
    ((0.0, -4.3), (1.6, 0.4), 0.5),  # the lower lip
    ((0.0, -3.85), (2.0, 0.18), -0.3),  # between them
    ((0.0, -7.0), (1.8, 1.2), 0.7),  # the chin
)

# Displacements: name, (x, y) of the centre, (width, height), (right, up, out), in centimetres.
_EXPRESSIONS = (
    ("jawOpen", (0.0, -7.0), (5.0, 3.0), (0.0, -2.0, -0.4)),
    ("mouthSmile_L", (2.2, -3.8), (1.3, 1.0), (0.7, 0.8, -0.2)),
    ("mouthSmile_R", (-2.2, -3.8), (1.3, 1.0), (-0.7, 0.8, -0.2)),
    ("mouthPucker", (0.0, -3.9), (1.6, 0.9), (0.0, 0.0, 0.9)),
    ("browInnerUp_L", (1.4, 3.6), (1.3, 1.0), (0.0, 0.7, 0.1)),
    ("browInnerUp_R", (-1.4, 3.6), (1.3, 1.0), (0.0, 0.7, 0.1)),
    ("eyeBlink_L", (3.0, 2.6), (1.2, 0.5), (0.0, -0.5, 0.2)),
    ("eyeBlink_R", (-3.0, 2.6), (1.2, 0.5), (0.0, -0.5, 0.2)),
    ("cheekPuff_L", (4.2, -2.5), (1.8, 1.8), (0.4, 0.0, 0.9)),
    ("cheekPuff_R", (-4.2, -2.5), (1.8, 1.8), (-0.4, 0.0, 0.9)),
)


@cache
def procedural_head() -> FaceModel:
    """A head with a nose, eye sockets, lips and a chin, 40 identities and ten expressions."""
    neutral = _surface()
    rng = np.random.default_rng(7)
    identity = np.stack([_identity_displacement(neutral, i, rng) for i in range(_COMPONENTS)])
    expression = [
        _gaussian(neutral, centre, extent)[:, None] * np.array(displacement)
        for _, centre, extent, displacement in _EXPRESSIONS
    ]
    rows, columns = np.meshgrid(np.arange(_ROWS - 1), np.arange(_COLUMNS - 1), indexing="ij")
    corner = (rows * _COLUMNS + columns).reshape(-1)
    right, below = corner + 1, corner + _COLUMNS
    triangles = np.concatenate(
        [np.stack([corner, below, right], 1), np.stack([right, below, below + 1], 1)]
    ).astype(np.int32)
    return FaceModel(
        "procedural",
        neutral.astype(np.float32),
        identity.astype(np.float32),
        np.stack(expression).astype(np.float32),
        tuple(name for name, *_ in _EXPRESSIONS),
        triangles,
        _landmarks(neutral),
        10.0,
        (FACE_PART,),
        np.zeros(len(triangles), np.uint8),
    )


def _surface() -> NDArray[np.float64]:
    """Vertices (vertices, 3), row by row from the top of the head to the neck, left to right."""
    around = np.radians(np.linspace(-105, 105, _COLUMNS))
    upwards = np.radians(np.linspace(75, -75, _ROWS))
    up, side = np.meshgrid(upwards, around, indexing="ij")
    egg = np.stack(
        [
            # Narrower towards the chin.
            _WIDTH * np.sin(side) * np.cos(up) * (1 + 0.18 * np.sin(up)),
            _HEIGHT * np.sin(up),
            _DEPTH * np.cos(side) * np.cos(up),
        ],
        axis=-1,
    ).reshape(-1, 3)
    front = np.clip(egg[:, 2] / _DEPTH, 0, None)
    for centre, extent, depth in _BUMPS:
        egg[:, 2] += depth * _gaussian(egg, centre, extent) * front**0.5
    return egg


def _gaussian(
    points: NDArray[np.float64], centre: tuple[float, float], extent: tuple[float, float]
) -> NDArray[np.float64]:
    """A Gaussian of height 1 on the front of the head, evaluated at each point."""
    offset = (points[:, :2] - centre) / extent
    return np.asarray(np.exp(-0.5 * (offset**2).sum(1)) * (points[:, 2] > 0))


def _identity_displacement(
    neutral: NDArray[np.float64], index: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A symmetric, smooth displacement of the whole face; later ones are smaller and finer."""
    size = 0.35 / (1 + index) ** 0.6
    waves = rng.uniform(0.06, 0.12 + 0.012 * index, 3)
    phases = rng.uniform(0, 2 * np.pi, (3, 3))
    directions = rng.normal(0, 1, (3, 3))
    x, y, z = np.abs(neutral[:, 0]), neutral[:, 1], neutral[:, 2]
    displacement = np.zeros_like(neutral)
    for phase, direction in zip(phases, directions, strict=True):
        wave = np.cos(2 * np.pi * waves[0] * x + phase[0]) + np.cos(
            2 * np.pi * (waves[1] * y + waves[2] * z) + phase[1]
        )
        displacement += wave[:, None] * direction
    # The left half is displaced as the mirror image of the right half.
    displacement[:, 0] *= neutral[:, 0] / _WIDTH
    return np.asarray(displacement * size / np.sqrt((displacement**2).sum(1).mean()))


def _landmarks(neutral: NDArray[np.float64]) -> NDArray[np.int32]:
    """The vertices of the front that are nearest to the positions of the landmarks."""
    turns = np.linspace(np.pi, 2 * np.pi, 17)
    jaw = [(6.6 * np.cos(t), 1.0 + 8.8 * np.sin(t)) for t in turns]
    brow = [(1.2, 3.7), (2.1, 4.0), (3.0, 4.0), (3.9, 3.8), (4.7, 3.3)]
    nose = [(0.0, 2.2), (0.0, 1.2), (0.0, 0.2), (0.0, -0.8)]
    wings = [(x, -1.8) for x in (-1.4, -0.7, 0.0, 0.7, 1.4)]
    eye = [(1.9, 2.2), (2.5, 2.6), (3.4, 2.6), (4.1, 2.2), (3.4, 1.8), (2.5, 1.8)]
    outer = [(-2.3, -3.9), (-1.4, -3.4), (-0.5, -3.1), (0.0, -3.2), (0.5, -3.1), (1.4, -3.4)]
    outer += [(2.3, -3.9), (1.4, -4.4), (0.5, -4.7), (0.0, -4.75), (-0.5, -4.7), (-1.4, -4.4)]
    inner = [(-1.9, -3.9), (-0.8, -3.75), (0.0, -3.75), (0.8, -3.75), (1.9, -3.9)]
    inner += [(0.8, -4.0), (0.0, -4.0), (-0.8, -4.0)]
    left_brow = [(-x, y) for x, y in reversed(brow)]
    # The left eye starts at its outer corner, the right eye at its inner one.
    left_eye = [(-x, y) for x, y in (eye[3], eye[2], eye[1], eye[0], eye[5], eye[4])]
    positions = np.array(jaw + left_brow + brow + nose + wings + left_eye + eye + outer + inner)
    front = np.flatnonzero(neutral[:, 2] > 0)
    distances = np.linalg.norm(neutral[front, None, :2] - positions, axis=2)
    return np.asarray(front[distances.argmin(0)], np.int32)
