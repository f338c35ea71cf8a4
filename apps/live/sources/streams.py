"""Sources: cameras and network streams; the newest frame, reconnecting after an interruption."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from visus.apps.addresses import without_secrets
from visus.apps.live.sources.base import Source
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.printable import printable
from visus.vision.videos.packets import quiet_capture
from visus.vision.videos.reader import to_rgb

_TIMEOUT = 5.0
"""Seconds without a frame after which a stream counts as interrupted."""

_RETRY = 1.0
"""Seconds between two attempts to reconnect, and between two repeated frames."""

_NETWORK_TIMEOUT_MS = 5000

_BLACK = np.zeros((1, 1, 3), np.uint8)
"""The image of a camera that has sent none."""


class StreamSource(Source):
    """A camera or a network stream, read by a thread; `frames` returns the newest frame.

    When no frame has arrived for some seconds, the last one is repeated with a note, and the stream
    is reopened until frames arrive again.

    Args:
        name: Its name in messages, without a password.
        open_capture: Opens it; returns an object like `cv2.VideoCapture`.
        remedy: The remedy where it cannot be opened.
        retry_opening: Whether it is opened by the thread, and where that fails opened again until
            it succeeds. Until then `frames` returns black frames with a note.

    Attributes:
        dropped: Frames that were not taken in time.
        attempted: Set once it was opened, or could not be opened.

    Raises:
        VisusError: If it cannot be opened, unless opening is retried.
    """

    live = True

    def __init__(
        self, name: str, open_capture: Callable[[], Any], remedy: str, retry_opening: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self.dropped = 0
        self.attempted = threading.Event()
        self._open = open_capture
        self._remedy = remedy
        self._retry_opening = retry_opening
        self._newest: Frame | None = None
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._capture: Any = None
        if retry_opening:
            self._thread.start()
        else:
            self._first_attempt()

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; without retries it ends where no first frame arrives."""
        if self._retry_opening:
            # Frames that arrived while the model was loaded are outdated.
            with self._arrived:
                self.dropped, self._newest = 0, None
        else:
            self._thread.start()
        last: Frame | None = None
        seen = time.perf_counter()
        try:
            while True:
                interrupted = time.perf_counter() - seen >= _TIMEOUT
                waiting = interrupted or (self._retry_opening and last is None)
                with self._arrived:
                    timeout = _RETRY if waiting else _TIMEOUT
                    self._arrived.wait_for(lambda: self._newest is not None, timeout)
                    frame, self._newest = self._newest, None
                now = time.perf_counter()
                if frame is not None:
                    if interrupted:
                        self._report(f"is back after {now - seen:.0f} seconds")
                    last, seen = frame, now
                    yield frame
                    continue
                note = f"no image for {now - seen:.0f} s"
                if last is not None:
                    if not interrupted:
                        self.problems.append(f"{self.name}: was interrupted")
                        self._report("no frame for 5 seconds; reconnecting")
                    yield replace(last, note=note)
                elif self._retry_opening:
                    yield Frame(_BLACK, self.name, 0, 0.0, now, note)
                else:
                    self.problems.append(f"{self.name}: no frame for {now - seen:.0f} seconds")
                    return
        finally:
            self._closing.set()
            self._thread.join(timeout=2)

    def _first_attempt(self) -> None:
        self._capture = self._open()
        opened = self._capture.isOpened()
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0) if opened else 0.0
        if not opened:
            message = f"cannot be opened; {self._remedy}"
            if not self._retry_opening:
                raise VisusError(f"{self.name}: {message}")
            self.problems.append(f"{self.name}: could not be opened at the start")
            self._report(f"{message}; trying again every second")
        self.attempted.set()

    def _report(self, message: str) -> None:
        print(printable(f"visus: {self.name}: {message}"), file=sys.stderr)

    def _read(self) -> None:
        if self._retry_opening:
            self._first_attempt()
        start = time.perf_counter()
        index = 0
        capture = self._capture
        while not self._closing.is_set():
            try:
                read, pixels = capture.read()
            except cv2.error:
                read = False
            if not read:
                capture.release()
                if self._closing.wait(_RETRY):
                    return
                capture = self._open()
                continue
            now = time.perf_counter()
            frame = Frame(to_rgb(pixels), self.name, index, now - start, now)
            with self._arrived:
                self.dropped += self._newest is not None
                self._newest = frame
                self._arrived.notify()
            index += 1
        capture.release()


def open_camera(index: int, name: str = "") -> StreamSource:
    """Open a camera by its number.

    Args:
        index: The number.
        name: Its name among several cameras, where it is opened patiently; see `StreamSource`.
    """
    remedy = "there is none, or another program holds it; visus doctor lists cameras"
    where = f"camera {index}"
    remedy = f"{where}: {remedy}" if name else remedy
    return StreamSource(name or where, lambda: quiet_capture(index), remedy, bool(name))


def open_stream(address: str, name: str = "") -> StreamSource:
    """Open a network stream by its address.

    Args:
        address: The address.
        name: As for `open_camera`.
    """
    parameters = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        _NETWORK_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        _NETWORK_TIMEOUT_MS,
    ]

    def connect() -> Any:
        return quiet_capture(address, cv2.CAP_FFMPEG, parameters)

    remedy = "check the address, the password, and that the camera is on"
    where = without_secrets(address)
    remedy = f"{where}: {remedy}" if name else remedy
    return StreamSource(name or where, connect, remedy, bool(name))
