"""The images of several cameras as one, each with its name and figures."""

import math
import time
from collections.abc import Sequence

import cv2
import numpy as np

from visus.apps.live.cameras import Camera
from visus.apps.live.sinks.base import Sink
from visus.vision.drawing.panels import draw_note
from visus.vision.drawing.text import shorten, text_tag
from visus.vision.frames import Frame
from visus.vision.images import Pixels

_SIZE = (1280, 720)
"""(width, height) of the whole in pixels, at most."""

_STRIP = 22
"""Height of the line of text above each image, in pixels."""

_TEXT = 13
_PAPER = (24, 26, 32)
_RATE = 30.0
"""Images/s in the long run; cameras together may send more."""

_CAPTION_SECONDS = 0.5
"""How often the figures change."""


class Mosaic:
    """Shows the latest images of several cameras in common sinks.

    Args:
        cameras: The cameras, in reading order.
        sinks: Receive the whole; closed with the first tile.
    """

    def __init__(self, cameras: Sequence[Camera], sinks: Sequence[Sink]) -> None:
        self._cameras = cameras
        self._sinks = sinks
        self._columns = math.ceil(math.sqrt(len(cameras)))
        rows = math.ceil(len(cameras) / self._columns)
        # Even sides, as encoders need them.
        self._cell = _SIZE[0] // self._columns // 2 * 2, _SIZE[1] // rows // 2 * 2
        shape = (rows * self._cell[1], self._columns * self._cell[0], 3)
        self._canvas = np.full(shape, _PAPER, np.uint8)
        self._captioned = -math.inf
        self._start = self._refilled = time.perf_counter()
        self._allowed = float(len(cameras))
        self._shown = 0
        self._closed = False

    def tiles(self) -> list[Sink]:
        """A sink for each camera."""
        return [_Tile(self, number) for number in range(len(self._cameras))]

    def line(self) -> str:
        """The frame rate of all cameras together, and how many are live."""
        live = sum(camera.times.state == "live" for camera in self._cameras)
        rate = sum(camera.times.rate() for camera in self._cameras)
        return f"{live} of {len(self._cameras)} cameras live  {rate:.1f} frames/s"

    def update(self, number: int, image: Pixels) -> bool:
        """Replace the image of a camera, and show the whole; returns as `Sink.show`."""
        left, top = self._corner(number)
        width, height = self._cell[0] - 2, self._cell[1] - _STRIP - 2
        scale = min(width / image.shape[1], height / image.shape[0])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        cell = self._canvas[top + _STRIP : top + self._cell[1], left : left + self._cell[0]]
        cell[:] = _PAPER
        y, x = (height - size[1]) // 2 + 1, (width - size[0]) // 2 + 1
        cell[y : y + size[1], x : x + size[0]] = cv2.resize(image, size, interpolation=method)
        return self._show()

    def announce(self, number: int, note: str) -> bool:
        """Show why a camera has no image yet; returns as `Sink.show`."""
        blank = np.full((self._cell[1] - _STRIP - 2, self._cell[0] - 2, 3), 96, np.uint8)
        return self.update(number, draw_note(blank, note))

    def close(self) -> None:
        """Close the sinks."""
        if not self._closed:
            self._closed = True
            for sink in self._sinks:
                sink.close()

    def _corner(self, number: int) -> tuple[int, int]:
        """(left, top) of a camera's cell in pixels."""
        return number % self._columns * self._cell[0], number // self._columns * self._cell[1]

    def _show(self) -> bool:
        now = time.perf_counter()
        # All cameras may send a frame at once, but not all the time.
        earned = (now - self._refilled) * _RATE
        self._allowed = min(float(len(self._cameras)), self._allowed + earned)
        self._refilled = now
        if self._allowed < 1:
            return True
        self._allowed -= 1
        if now - self._captioned >= _CAPTION_SECONDS:
            self._captioned = now
            self._caption()
        image = self._canvas.copy()
        title = f"{len(self._cameras)} cameras"
        frame = Frame(image, title, self._shown, now - self._start, now)
        self._shown += 1
        return all([sink.show(frame, image) for sink in self._sinks])

    def _caption(self) -> None:
        """Write the names and the figures."""
        for number, camera in enumerate(self._cameras):
            left, top = self._corner(number)
            strip = self._canvas[top : top + _STRIP, left : left + self._cell[0]]
            strip[:] = _PAPER
            text = f"{camera.name}  {camera.times.short_line()}"
            tag = text_tag(shorten(text, self._cell[0] - 8, _TEXT), _TEXT, _PAPER)
            tag = tag[:_STRIP, : self._cell[0]]
            strip[: tag.shape[0], : tag.shape[1]] = tag


class _Tile(Sink):
    """The part of a mosaic that shows one camera."""

    def __init__(self, mosaic: Mosaic, number: int) -> None:
        self._mosaic = mosaic
        self._number = number

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`."""
        return self._mosaic.update(self._number, drawn)

    def announce(self, note: str) -> bool:
        """See `Sink.announce`."""
        return self._mosaic.announce(self._number, note)

    def close(self) -> None:
        """See `Sink.close`."""
        self._mosaic.close()
