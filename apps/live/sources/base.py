"""The interface of sources, and a source that samples another one at intervals."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path

from visus.vision.frames import Frame


class Source(ABC):
    """A stream of frames.

    Attributes:
        live: Whether frames that are not taken in time are dropped.
        still: Whether the frames are unrelated images.
        stored: Whether there are several frames and all exist already, so that workers can predict
            them in parallel.
        rate: Frames/s; 0 where it is unknown.
        total: Number of frames; None where it is unknown or endless.
        files: The files that it reads.
        problems: One message for each input that could not be read.
    """

    live = False
    still = False
    stored = False
    rate = 0.0
    total: int | None = None

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = files
        self.problems: list[str] = []

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """The frames, in order; closing the generator releases files and devices."""


class SampledSource(Source):
    """One frame of a video or a stream per interval.

    Args:
        source: The source of the frames.
        seconds: The interval.
    """

    def __init__(self, source: Source, seconds: float) -> None:
        super().__init__()
        self.live, self.rate = source.live, 1 / seconds
        if source.total and source.rate:
            self.total = math.ceil(source.total / (source.rate * seconds))
        self.problems = source.problems
        self._source = source
        self._seconds = seconds

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        due = 0.0
        for frame in self._source.frames():
            # Timestamps are rounded.
            if frame.time is None or frame.time + 1e-3 >= due:
                yield frame
                due += self._seconds
