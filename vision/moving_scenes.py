"""Procedural scenes of moving objects that hide each other, with simulated detections."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CELL = 2
"""Side of the cells in pixels in which visibility is computed."""

_LEAST_VISIBLE = 0.2
"""Fraction of an object that must be visible for it to count, and to be detected."""

_STRAIGHT = 0.97
"""How straight objects walk to and fro: a sine wave near 0, a triangle wave at 1."""


@dataclass(frozen=True, eq=False)
class VisibleObjects:
    """The objects that can be seen at one time.

    Attributes:
        ids: Numbers of the objects, int64 of shape (N,), from 0.
        boxes: float64 of shape (N, 4), around the visible part, (x1, y1, x2, y2) in pixels.
        fractions: float64 of shape (N,): the visible fraction of each object, 0 to 1.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    fractions: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedDetections:
    """What a detector might report.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels, sorted by descending score.
        scores: float32 of shape (N,), 0 to 1; 0.5 is the threshold.
        class_ids: int64 of shape (N,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


class MovingScene:
    """Objects that walk to and fro behind pillars and behind each other.

    Positions are functions of the time, so that a scene is the same at every frame rate.

    Args:
        seed: Seed of the random generator.
        size: (height, width) in pixels.
        count: Number of objects; those with higher numbers are nearer.
        pillars: Number of pillars, which hide every object.
        hidden: Longest time in seconds that a pillar hides an object completely.

    Attributes:
        class_ids: Class of each object, 0 or 1.
        pillar_boxes: float64 of shape (pillars, 4), (x1, y1, x2, y2) in pixels.
    """

    def __init__(
        self,
        seed: int,
        size: tuple[int, int] = (360, 640),
        count: int = 6,
        pillars: int = 2,
        hidden: float = 1.0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        height, width = size
        self.class_ids = rng.integers(0, 2, count)
        self._extents = np.stack(
            [rng.uniform(0.06, 0.1, count) * width, rng.uniform(0.25, 0.4, count) * height], axis=1
        )
        speeds = rng.uniform(0.12, 0.25, count) * width
        velocities = np.stack([speeds, rng.uniform(0.01, 0.04, count) * height], axis=1)
        self._frequencies = velocities / self._ranges() / 2
        self._starts = rng.uniform(0, 1, (count, 2))
        self._sway = rng.uniform(0, 0.01, (count, 2)) * width
        self._phases, self._periods = rng.uniform(0, 6.3, (count, 2)), rng.uniform(1, 3, (count, 2))
        # As wide as the slowest object travels while it is hidden, and the object itself.
        wide = (self._extents[:, 0] + hidden * speeds).min()
        lefts = (np.arange(pillars) + 1) / (pillars + 1) * width - wide / 2
        self.pillar_boxes = np.array([[x, 0.0, x + wide, height] for x in lefts]).reshape(-1, 4)

    def boxes(self, time: float) -> NDArray[np.float64]:
        """The whole boxes of all objects at a time in seconds, shape (count, 4)."""
        # To and fro with a constant velocity, except for about a second around each turn.
        angles = 2 * np.pi * (self._starts + self._frequencies * time)
        waves = np.arcsin(_STRAIGHT * np.sin(angles)) / np.arcsin(_STRAIGHT)
        corners = self._ranges() * (1 + waves) / 2
        corners = corners + self._sway * np.sin(self._phases + 2 * np.pi * time / self._periods)
        return np.concatenate([corners, corners + self._extents], axis=1)

    def visible(self, time: float) -> VisibleObjects:
        """The objects that are visible at a time in seconds."""
        boxes = self.boxes(time)
        height, width = self.size
        owner = np.full((height // _CELL, width // _CELL), -1)
        areas = np.zeros(len(boxes))
        nearest_last = [*enumerate(boxes), *((-1, box) for box in self.pillar_boxes)]
        for number, box in nearest_last:
            x1, y1, x2, y2 = np.rint(box / _CELL).astype(int).clip(0)
            owner[y1:y2, x1:x2] = number
            if number >= 0:
                areas[number] = owner[y1:y2, x1:x2].size
        ids, parts, fractions = [], [], []
        for number in range(len(boxes)):
            rows, columns = np.nonzero(owner == number)
            fraction = len(rows) / max(1.0, areas[number])
            if fraction >= _LEAST_VISIBLE:
                ids.append(number)
                # The whole box, cut where it is hidden.
                cut = _CELL * np.array(
                    [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                )
                near = np.abs(cut - boxes[number]) <= _CELL
                parts.append(np.where(near, boxes[number], cut))
                fractions.append(fraction)
        return VisibleObjects(
            np.array(ids, np.int64), np.array(parts).reshape(-1, 4), np.array(fractions)
        )

    def detect(self, time: float, rng: np.random.Generator) -> SimulatedDetections:
        """Detections at a time: inaccurate, with missing and false ones, and scores to match.

        Args:
            time: In seconds.
            rng: Of the errors.
        """
        truth = self.visible(time)
        kept = rng.random(len(truth.ids)) > 0.04
        boxes, fractions = truth.boxes[kept], truth.fractions[kept]
        sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        boxes = boxes + rng.normal(0, 0.02, boxes.shape) * sizes
        scores = 0.25 + 0.65 * fractions + rng.normal(0, 0.06, len(boxes))
        false = int(rng.poisson(0.08))
        height, width = self.size
        corners = rng.uniform(0, 0.8, (false, 2)) * (width, height)
        extents = rng.uniform(0.05, 0.2, (false, 2)) * (width, height)
        boxes = np.concatenate([boxes, np.concatenate([corners, corners + extents], axis=1)])
        scores = np.concatenate([scores, rng.uniform(0.2, 0.7, false)]).clip(0.01, 0.99)
        class_ids = np.concatenate([self.class_ids[truth.ids[kept]], rng.integers(0, 2, false)])
        order = np.argsort(-scores, kind="stable")
        return SimulatedDetections(
            boxes[order].astype(np.float32),
            scores[order].astype(np.float32),
            class_ids[order].astype(np.int64),
        )

    def _ranges(self) -> NDArray[np.float64]:
        """Largest x and y of the upper left corner of each object, (count, 2)."""
        height, width = self.size
        room: NDArray[np.float64] = np.array([width, height]) - self._extents
        return room
