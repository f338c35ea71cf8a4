"""The latest frames as JPEGs, within a number of seconds and bytes."""

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

from visus.vision.drawing.grid import to_bgr
from visus.vision.images import Pixels

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


class StoredFrame(NamedTuple):
    """A frame as a JPEG.

    Attributes:
        time: Time of the frame in seconds.
        jpeg: The image.
    """

    time: float
    jpeg: bytes

    @classmethod
    def encode(cls, time: float, image: Pixels) -> "StoredFrame":
        """Encode an image, uint8 RGB."""
        return cls(time, cv2.imencode(".jpg", to_bgr(image), _JPEG)[1].tobytes())

    def decode(self) -> Pixels:
        """The image, uint8 RGB of shape (height, width, 3)."""
        pixels = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        return np.asarray(pixels, np.uint8)


class FrameRing:
    """The latest frames.

    Args:
        seconds: Frames that are older than the newest by more are removed.
        max_bytes: As are the oldest while the frames together have more bytes.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._bytes = 0
        self._frames: deque[StoredFrame] = deque()

    def append(self, frame: StoredFrame) -> None:
        """Add the newest frame, and remove old ones."""
        self._frames.append(frame)
        self._bytes += len(frame.jpeg)
        # Timestamps are rounded.
        first = frame.time - self._seconds - 1e-3
        while self._frames and (self._bytes > self._max_bytes or self._frames[0].time < first):
            self._bytes -= len(self._frames.popleft().jpeg)

    def frames(self) -> list[StoredFrame]:
        """The frames, the oldest first."""
        return list(self._frames)
