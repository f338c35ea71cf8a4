"""Procedural clips of a shape that moves, and sentences that are true of them."""

import re
from dataclasses import dataclass

import numpy as np

from visus.vision.images import Pixels
from visus.vision.scenes import COLOURS, SHAPES, article, shape_coverage, textured_background

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Directions of the motion, (x, y)."""

ORDERS = ("behind", "in front of")
"""How the moving shape passes the resting one."""

_PHRASE = rf"an? (\w+) ({'|'.join(SHAPES)})"
_SENTENCE = re.compile(
    rf"{_PHRASE} moves ({'|'.join(DIRECTIONS)})(?: ({'|'.join(ORDERS)}) {_PHRASE})?"
)

_EXTENTS = (0.26, 0.42)
"""Smallest and largest width of a shape, relative to the shorter side of the image."""


@dataclass(frozen=True)
class _Shape:
    shape: str
    colour: str
    extent: int
    angle: float

    @property
    def phrase(self) -> str:
        return f"{article(self.colour)} {self.colour} {self.shape}"


class DescribedMotion:
    """A shape crosses the image in two seconds, in half of the clips past a resting shape.

    The middle frame shows the shapes and which one is in front, but not the direction: position and
    direction of the motion are drawn independently, and the shape is in the middle of its way
    there.

    Args:
        seed: Seed of the clip.
        size: (height, width) in pixels.

    Attributes:
        seconds: Duration of a clip.
        direction: Where the shape moves, a name from `DIRECTIONS`.
        order: One of `ORDERS`; empty without a resting shape.
    """

    seconds = 2.0

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.direction = list(DIRECTIONS)[rng.integers(len(DIRECTIONS))]
        self._moving, self._resting = self._random_shape(rng), self._random_shape(rng)
        self.order = ORDERS[rng.integers(len(ORDERS))] if rng.random() < 0.5 else ""
        # (x, y) of the middle of the way in pixels, and half of its length relative to the image.
        self._middle = rng.uniform(0.4, 0.6, 2) * size[::-1]
        self._half_length = rng.uniform(0.22, 0.3)
        aside = rng.uniform(-0.06, 0.06, 2) * size[::-1]
        self._rest = self._middle + aside
        self._background = textured_background(rng, *size)
        self._noise = rng.normal(0, rng.uniform(2, 6), (*size, 3)).astype(np.float32)

    @property
    def caption(self) -> str:
        """A true sentence: "a red circle moves left behind a blue square"."""
        past = f" {self.order} {self._resting.phrase}" if self.order else ""
        return f"{self._moving.phrase} moves {self.direction}{past}"

    def is_true(self, caption: str) -> bool:
        """Whether a sentence in the form of `caption` is true of this clip.

        The resting shape need not be mentioned; sentences of other forms are false.
        """
        match = _SENTENCE.fullmatch(caption)
        if match is None:
            return False
        colour, shape, direction, order, other_colour, other_shape = match.groups()
        moving = (self._moving.colour, self._moving.shape, self.direction)
        if (colour, shape, direction) != moving:
            return False
        resting = (self.order, self._resting.colour, self._resting.shape)
        return order is None or (order, other_colour, other_shape) == resting

    def frame(self, time: float) -> Pixels:
        """The image at a time from 0 to `seconds`, uint8 RGB of shape (*size, 3)."""
        way = self._half_length * np.array(DIRECTIONS[self.direction]) * self.size[::-1]
        position = self._middle + (2 * time / self.seconds - 1) * way
        image = self._background.copy()
        drawn = [(self._moving, position)]
        if self.order:
            drawn.insert(len(drawn) * (self.order == "behind"), (self._resting, self._rest))
        for shape, centre in drawn:
            window, alpha = shape_coverage(
                shape.shape, self.size, (centre[0], centre[1]), shape.extent, shape.angle
            )
            colour = np.array(COLOURS[shape.colour], np.float32)
            image[window] += alpha[:, :, None] * (colour - image[window])
        return (image + self._noise).clip(0, 255).astype(np.uint8)

    def _random_shape(self, rng: np.random.Generator) -> _Shape:
        side = min(self.size)
        return _Shape(
            SHAPES[rng.integers(len(SHAPES))],
            list(COLOURS)[rng.integers(len(COLOURS))],
            int(rng.uniform(*_EXTENTS) * side),
            float(rng.uniform(-0.3, 0.3)),
        )
