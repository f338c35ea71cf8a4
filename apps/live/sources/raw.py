"""Source: raw frames from a pipe."""

import itertools
import re
import time
from collections.abc import Generator
from typing import IO

import numpy as np

from visus.apps.live.sources.base import Source
from visus.vision.errors import VisusError
from visus.vision.frames import Frame


class RawSource(Source):
    """Raw frames from a pipe, every frame.

    Args:
        pipe: RGB bytes, row by row.
        size: (height, width) in pixels.
        rate: Frames/s; 0 for the rate at which they arrive.
    """

    def __init__(self, pipe: IO[bytes], size: tuple[int, int], rate: float = 0.0) -> None:
        super().__init__()
        self._pipe = pipe
        self._size = size
        self.rate = rate

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; an incomplete frame becomes a problem."""
        start = time.perf_counter()
        height, width = self._size
        for index in itertools.count():
            data = self._pipe.read(height * width * 3)
            if len(data) < height * width * 3:
                if data:
                    self.problems.append(
                        f"standard input: {len(data)} bytes after frame {index} are not a frame of "
                        f"{width} x {height}; see --size"
                    )
                elif index == 0:
                    self.problems.append("standard input: holds no frame")
                return
            now = time.perf_counter()
            image = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            moment = index / self.rate if self.rate else now - start
            yield Frame(image, "standard input", index, moment, now)


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of `WIDTHxHEIGHT`."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise VisusError(f"--size {text!r} is not a size; write WIDTHxHEIGHT, such as 640x480")
    return int(found[2]), int(found[1])
