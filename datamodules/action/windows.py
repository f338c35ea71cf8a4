"""Windows of clips: the times of the frames that a model sees at once.

The frames of a clip are taken from a grid of times, two for each frame of a window: from its start
in steps of half the window's frame interval. The frame of a time is the first one at or after it,
as in a live video.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visus.datamodules.action.files import Clip

STEPS = 2
"""Times of the grid for each frame of a window, among which training chooses at random."""

_UNCOVERED = 0.15
"""Fraction of a window at the end of a clip that needs no window of its own."""


@dataclass(frozen=True)
class Window:
    """What one sample is made from.

    Attributes:
        clip: The clip.
        indices: Indices of its frames in the clip's grid; empty for a random window.
    """

    clip: Clip
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How a model samples videos.

    Attributes:
        frames: Frames of a window.
        seconds: Duration of a window.
    """

    frames: int
    seconds: float

    @property
    def span(self) -> int:
        """Times of the grid in a window."""
        return STEPS * self.frames

    @property
    def step(self) -> float:
        """Seconds between two times of the grid."""
        return self.seconds / self.span

    def grid_size(self, clip: Clip) -> int:
        """The number of times of a clip's grid."""
        return max(1, math.ceil(clip.seconds / self.step - 1e-6))

    def time(self, clip: Clip, index: int) -> float:
        """A time of the grid in seconds; times after the clip's last frame are its time."""
        return min(clip.start + index * self.step, clip.last)

    def times(self, window: Window) -> list[float]:
        """The times in seconds of a window's frames, or of all that a random window may have."""
        indices = window.indices or range(max(self.grid_size(window.clip), self.span))
        return [self.time(window.clip, index) for index in indices]

    def random_window(self, size: int, rng: np.random.Generator) -> list[int]:
        """Indices in the grid of a window at a random position, jittered within its segments.

        Args:
            size: Size of the grid; the indices of shorter clips exceed it.
            rng: The random generator.
        """
        first = int(rng.integers(max(0, size - self.span) + 1))
        offsets = STEPS * np.arange(self.frames) + rng.integers(STEPS, size=self.frames)
        return [first + int(offset) for offset in offsets]

    def covering_windows(self, size: int) -> list[list[int]]:
        """Indices in the grid of windows that cover a clip at equal distances.

        Up to 15 % of a window at its end are not covered.

        Args:
            size: Size of the grid; the indices of shorter clips exceed it.
        """
        count = max(1, math.ceil(size / self.span - _UNCOVERED))
        firsts = np.linspace(0, max(0, size - self.span), count).round().astype(int)
        offsets = STEPS * np.arange(self.frames)
        return [[int(i) for i in first + offsets] for first in firsts]


def evaluation_windows(clips: Sequence[Clip], sampling: Sampling) -> list[Window]:
    """The windows that cover the clips."""
    return [
        Window(clip, tuple(indices))
        for clip in clips
        for indices in sampling.covering_windows(sampling.grid_size(clip))
    ]
