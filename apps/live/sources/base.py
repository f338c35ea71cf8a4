"""What every source of frames offers, and a source that takes frames at intervals."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path

from visus.vision.frames import Frame


class Source(ABC):
    """A stream of frames.

    Attributes:
        live: Whether frames are lost that nobody takes in time.
        still: Whether the frames are images that have nothing to do with each other.
        waits: Whether there are many frames, none of which is made while others are looked at.
        rate: Frames a second; 0 where it is unknown.
        files: What it is read from, where that is files.
        problems: What could not be read, a message each.
    """

    live = False
    still = False
    waits = False
    rate = 0.0

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = files
        self.problems: list[str] = []

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """The frames, in order; closing it gives back what they come from."""


class SampledSource(Source):
    """Of a video or a stream one frame at each of equally spaced moments.

    Args:
        source: Where the frames come from.
        seconds: Between two of them.
    """

    def __init__(self, source: Source, seconds: float) -> None:
        super().__init__()
        self.live, self.rate = source.live, 1 / seconds
        self.problems = source.problems
        self._source = source
        self._seconds = seconds

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        due = 0.0
        for frame in self._source.frames():
            # A moment may fall between two frames by less than half of one.
            if frame.time is None or frame.time + 1e-3 >= due:
                yield frame
                due += self._seconds
