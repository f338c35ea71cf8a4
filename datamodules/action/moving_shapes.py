"""Procedural clips of moving shapes, whose action no single frame shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.action.files import Clip
from visus.vision.images import Pixels
from visus.vision.scenes import COLOURS, shape_outline, textured_background
from visus.vision.seeding import derive_seed

ACTIONS = (
    "moves left",
    "moves right",
    "moves up",
    "moves down",
    "grows",
    "shrinks",
    "turns clockwise",
    "turns counter-clockwise",
)
"""The class names of procedural clips, in the order of their ids."""

_SHAPES = ("triangle", "square", "cross", "star", "diamond")
"""Shapes whose rotation is visible."""

_RADII = (0.12, 0.24)
"""Smallest and largest radius, relative to the shorter side of the image."""

_SPEEDS = (0.35, 0.7)
"""Range of the speeds: sides of the image, ranges of the radius, or thirds of a turn in 2 s."""

_DIRECTIONS = {"moves left": (-1, 0), "moves right": (1, 0), "moves up": (0, -1),
               "moves down": (0, 1)}  # fmt: skip

_ZOOM = 4
"""Factor by which shapes are drawn larger and then averaged."""


@dataclass(frozen=True)
class ShapeState:
    """A shape at one time.

    Attributes:
        centre: (x, y), 0 to 1 across the image.
        radius: Relative to the shorter side of the image.
        angle: In radians, clockwise.
    """

    centre: tuple[float, float]
    radius: float
    angle: float


class MovingShape:
    """A shape that moves, changes its size or turns in front of a textured background.

    The image is a torus: what leaves it on one side enters it on the other. A shape that has grown
    to the largest size continues from the smallest one. So position, size and angle have the same
    distribution at every time, whatever the action is: a single frame says nothing about it.

    Args:
        seed: Seed of the clip; its action is `ACTIONS[seed % len(ACTIONS)]`.
        size: (height, width) in pixels.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (64, 64)) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.size = size
        self.action = ACTIONS[seed % len(ACTIONS)]
        self._outline = shape_outline(_SHAPES[rng.integers(len(_SHAPES))])
        self._colour = np.array(list(COLOURS.values())[rng.integers(len(COLOURS))], np.float32)
        self._centre = rng.random(2)
        # Uniform like the phases of shapes that grow.
        self._phase = rng.random()
        self._angle = rng.uniform(0, 2 * np.pi)
        self._speed = rng.uniform(*_SPEEDS) / 2
        self._background = textured_background(rng, *size)
        self._noise = rng.uniform(2, 8)

    def state(self, time: float) -> ShapeState:
        """The shape at a time in seconds."""
        travelled = self._speed * time
        centre = (self._centre + travelled * np.array(_DIRECTIONS.get(self.action, (0, 0)))) % 1
        growth = {"grows": travelled, "shrinks": -travelled}.get(self.action, 0.0)
        small, large = _RADII
        radius = small + (large - small) * ((self._phase + growth) % 1)
        turns = {"turns clockwise": travelled, "turns counter-clockwise": -travelled}
        angle = self._angle + turns.get(self.action, 0.0) * 2 * np.pi / 3
        return ShapeState((float(centre[0]), float(centre[1])), float(radius), float(angle))

    def frame(self, time: float) -> Pixels:
        """The image at a time in seconds, uint8 RGB of shape (*size, 3)."""
        height, width = self.size
        state = self.state(time)
        alpha, left, top = self._draw(state)
        rows = (top + np.arange(alpha.shape[0])) % height
        columns = (left + np.arange(alpha.shape[1])) % width
        image = self._background.copy()
        window = np.ix_(rows, columns)
        image[window] += alpha[..., None] * (self._colour - image[window])
        rng = np.random.default_rng(derive_seed(self.seed, round(time * 1e6)))
        image += self._noise * rng.standard_normal(image.shape, np.float32)
        return image.clip(0, 255).astype(np.uint8)

    def _draw(self, state: ShapeState) -> tuple[NDArray[np.float32], int, int]:
        """The coverage of the pixels around a shape, 0 to 1, and its left and upper edge."""
        height, width = self.size
        radius = state.radius * min(self.size)
        reach = int(np.ceil(radius)) + 2
        x, y = state.centre[0] * width, state.centre[1] * height
        left, top = int(x) - reach, int(y) - reach
        cosine, sine = np.cos(state.angle), np.sin(state.angle)
        rotation = np.array([[cosine, sine], [-sine, cosine]])
        corners = self._outline @ rotation * radius + (x - left, y - top)
        canvas = np.zeros((2 * reach * _ZOOM,) * 2, np.uint8)
        cv2.fillPoly(canvas, [np.rint(corners * _ZOOM).astype(np.int32)], 255)
        small = cv2.resize(canvas, (2 * reach, 2 * reach), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32) / np.float32(255), left, top


def scene_clip(seed: int, seconds: float, size: tuple[int, int]) -> Clip:
    """The procedural clip of a seed.

    Args:
        seed: Its seed.
        seconds: Its duration.
        size: (height, width) in pixels.
    """
    label = ACTIONS[seed % len(ACTIONS)]
    return Clip(Path(str(seed)), (label,), "", "", end=seconds, last=seconds, size=size)


def scene_frames(clip: Clip, times: Sequence[float]) -> list[Pixels]:
    """The frames of a `scene_clip` at times in seconds."""
    shape = MovingShape(int(clip.path.name), clip.size)
    return [shape.frame(time) for time in times]
