"""Procedural clips of gestures, in place of one's own recordings in samples and tests."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.scenes import textured_background

_PATHS: dict[str, Callable[[float], tuple[float, float]]] = {
    "circle": lambda part: (0.5 * np.sin(2 * np.pi * part), -0.5 * np.cos(2 * np.pi * part)),
    "rest": lambda part: (0.0, 0.6),
    "swipe left": lambda part: (0.8 - 1.6 * part, 0.0),
    "swipe right": lambda part: (1.6 * part - 0.8, 0.0),
    "wave": lambda part: (0.35 * np.sin(6 * np.pi * part), -0.4),
}
"""(x, y) of the hand around the middle, by the fraction of the gesture that is over."""

GESTURES = tuple(_PATHS)
"""The class names, in the order of their ids; `rest` is not a gesture."""


class Recording:
    """A person who makes gestures in front of a camera: a hand and an arm that move.

    Every seed has another background, person, distance and way of moving.

    Args:
        seed: Of the random generator.
        size: (height, width) in pixels.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (120, 160)) -> None:
        self._rng = np.random.default_rng(seed)
        self.size = size
        height, width = size
        self._background = textured_background(self._rng, height, width)
        self._skin = self._rng.uniform((120, 80, 60), (245, 205, 180)).astype(np.float32)
        self._hand = self._rng.uniform(0.07, 0.1) * height
        self._noise = self._rng.uniform(2, 6)
        self._position = np.array(_PATHS["rest"](0.0))

    def frames(self, gesture: str, seconds: float = 2.0, rate: float = 15.0) -> Iterator[Pixels]:
        """The frames of a gesture, which begins where the hand is.

        Args:
            gesture: One of `GESTURES`.
            seconds: Its duration.
            rate: Frames/s.

        Yields:
            uint8 RGB of shape (*size, 3).
        """
        rng = self._rng
        reach = rng.uniform(0.7, 1.0, 2)
        shift = rng.uniform(-0.12, 0.12, 2)
        early = rng.uniform(0.0, 0.15)
        count = max(1, round(seconds * rate))
        for index in range(count):
            part = np.clip(((index + 1) / count - early) / 0.85, 0.0, 1.0)
            target = np.array(_PATHS[gesture](float(part))) * reach + shift
            # The hand follows within a few frames, as it has a mass.
            self._position += (target - self._position) * min(1.0, 9 / rate)
            yield self._draw(self._position + rng.normal(0, 0.006, 2))

    def _draw(self, position: NDArray[np.float64]) -> Pixels:
        height, width = self.size
        centre = np.array([width, height]) / 2 + position * height / 2
        mask = np.zeros(self.size, np.uint8)
        point = (int(centre[0]), int(centre[1]))
        elbow = (int(width / 2 + (centre[0] - width / 2) / 3), height + 10)
        cv2.line(mask, point, elbow, 160, max(1, round(self._hand)), cv2.LINE_AA)
        axes = (round(self._hand), round(1.25 * self._hand))
        cv2.ellipse(mask, point, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        alpha = mask[..., None].astype(np.float32) / np.float32(255)
        image = self._background + alpha * (self._skin - self._background)
        image = image + self._noise * self._rng.standard_normal(image.shape, np.float32)
        return np.asarray(image.clip(0, 255), np.uint8)
