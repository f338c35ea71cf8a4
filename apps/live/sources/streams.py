"""Sources: cameras and network streams; the newest frame, reconnecting after an interruption."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import cv2

from visus.apps.addresses import without_secrets
from visus.apps.live.sources.base import Source
from visus.apps.live.sources.files import quiet_capture, to_rgb
from visus.vision.errors import VisusError
from visus.vision.frames import Frame

_TIMEOUT = 5.0
"""Seconds without a frame after which a stream counts as interrupted."""

_RETRY = 1.0
"""Seconds between two attempts to reconnect, and between two repeated frames."""

_NETWORK_TIMEOUT_MS = 5000


class StreamSource(Source):
    """A camera or a network stream, read by a thread; `frames` returns the newest frame.

    When no frame has arrived for some seconds, the last one is repeated with a note, and the stream
    is reopened until frames arrive again.

    Args:
        name: Its name in messages, without a password.
        open_capture: Opens it; returns an object like `cv2.VideoCapture`.
        remedy: The remedy where it cannot be opened.

    Attributes:
        dropped: Frames that were not taken in time.

    Raises:
        VisusError: If it cannot be opened.
    """

    live = True

    def __init__(self, name: str, open_capture: Callable[[], Any], remedy: str) -> None:
        super().__init__()
        self.name = name
        self.dropped = 0
        self._open = open_capture
        self._capture = open_capture()
        if not self._capture.isOpened():
            raise VisusError(f"{name}: cannot be opened; {remedy}")
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self._newest: Frame | None = None
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; ends only where no first frame arrives."""
        self._thread.start()
        last: Frame | None = None
        seen = time.perf_counter()
        try:
            while True:
                interrupted = time.perf_counter() - seen >= _TIMEOUT
                timeout = _RETRY if interrupted else _TIMEOUT
                with self._arrived:
                    self._arrived.wait_for(lambda: self._newest is not None, timeout)
                    frame, self._newest = self._newest, None
                now = time.perf_counter()
                if frame is not None:
                    if interrupted:
                        self._report(f"is back after {now - seen:.0f} seconds")
                    last, seen = frame, now
                    yield frame
                elif last is None:
                    self.problems.append(f"{self.name}: no frame for {now - seen:.0f} seconds")
                    return
                else:
                    if not interrupted:
                        self.problems.append(f"{self.name}: was interrupted")
                        self._report("no frame for 5 seconds; reconnecting")
                    yield replace(last, note=f"no image for {now - seen:.0f} s")
        finally:
            self._closing.set()
            self._thread.join(timeout=2)

    def _report(self, message: str) -> None:
        print(f"visus: {self.name}: {message}", file=sys.stderr)

    def _read(self) -> None:
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


def open_camera(index: int) -> StreamSource:
    """Open a camera by its number."""
    remedy = "there is none, or another program holds it; visus doctor lists cameras"
    return StreamSource(f"camera {index}", lambda: quiet_capture(index), remedy)


def open_stream(address: str) -> StreamSource:
    """Open a network stream by its address."""
    parameters = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        _NETWORK_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        _NETWORK_TIMEOUT_MS,
    ]

    def connect() -> Any:
        return quiet_capture(address, cv2.CAP_FFMPEG, parameters)

    remedy = "check the address, the password, and that the camera is on"
    return StreamSource(without_secrets(address), connect, remedy)
