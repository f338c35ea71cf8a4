"""Source: a video file that is played at its own speed, as a camera."""

import time
from collections.abc import Generator
from dataclasses import replace

from visus.apps.live.sources.base import Source
from visus.vision.frames import Frame


class PlayedSource(Source):
    """A video at its own speed; a frame's time of capture is when it is due.

    Args:
        source: The video.
    """

    live = True

    def __init__(self, source: Source) -> None:
        super().__init__(source.files)
        self.rate = source.rate
        self.problems = source.problems
        self._source = source

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        start = time.perf_counter()
        for frame in self._source.frames():
            due = start + (frame.time or 0.0)
            time.sleep(max(0.0, due - time.perf_counter()))
            yield replace(frame, captured=due)
