"""The interface of sources, and a source that samples another one at intervals."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from visus.vision.frames import Frame


class Source(ABC):
    """A stream of frames.

    Attributes:
        live: Whether frames that are not taken in time are dropped.
        still: Whether the frames are unrelated images.
        stored: Whether there are several frames and all exist already, so that workers can predict
            them in parallel.
        rate: Frames/s; 0 where it is unknown. Where the frame rate varies, that of frames in close
            succession.
        total: Number of frames, which some containers only estimate; None where it is unknown or
            endless.
        seconds: Duration, as the container declares it; None where it is unknown or endless.
        files: The files that it reads.
        problems: One message for each input that could not be read.
    """

    live = False
    still = False
    stored = False
    rate = 0.0
    total: int | None = None
    seconds: float | None = None

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = files
        self.problems: list[str] = []

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """The frames, in order; closing the generator releases files and devices."""


class SampledSource(Source):
    """The first frame of each interval of a video or a stream; an interval may hold none.

    Args:
        source: The source of the frames.
        interval: The interval in seconds.
    """

    def __init__(self, source: Source, interval: float) -> None:
        super().__init__(source.files)
        self.live, self.stored = source.live, source.stored
        self.rate, self.seconds = 1 / interval, source.seconds
        if source.seconds is not None:
            self.total = math.ceil(source.seconds / interval)
        self.problems = source.problems
        self._source = source
        self._interval = interval

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        due = 0
        with closing(self._source.frames()) as frames:
            for frame in frames:
                if frame.time is None:
                    yield frame
                    continue
                # Containers round times to milliseconds.
                interval = math.floor((frame.time + 1e-3) / self._interval)
                if interval >= due:
                    yield frame
                    due = interval + 1
