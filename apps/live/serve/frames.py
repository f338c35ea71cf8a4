"""The newest frame, encoded once for all clients that watch."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from visus.apps.live.serve.answers import RequestError
from visus.apps.live.serve.prediction import to_jpeg
from visus.vision.images import Pixels

MAX_WATCHERS = 100
"""Maximum number of clients that watch."""


class NewestFrame:
    """Takes frames from the loop's thread, and gives the newest to each client when it asks.

    A thread encodes it while somebody watches; neither the loop nor a client waits for another.

    Args:
        loop: The event loop of the clients.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._pixels: Pixels | None = None
        self._number = 0
        self._taken = 0
        self._encoded = 0
        self._jpeg = b""
        self._closed = False
        self._following: set[asyncio.Future[None]] = set()
        self.watchers = 0
        threading.Thread(target=self._encode, name="encode", daemon=True).start()

    @property
    def number(self) -> int:
        """Number of frames so far."""
        return self._number

    def publish(self, pixels: Pixels) -> None:
        """Replace the frame.

        Args:
            pixels: uint8 RGB of shape (height, width, 3), which must not change any more.
        """
        with self._changed:
            self._pixels = pixels
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the streams."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._loop.call_soon_threadsafe(self._wake)

    @contextmanager
    def watcher(self) -> Iterator[None]:
        """Count a client that watches.

        Raises:
            RequestError: If there are too many.
        """
        if self.watchers >= MAX_WATCHERS:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MAX_WATCHERS} clients watch the stream already; close one",
            )
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def following(self, after: int) -> tuple[int, bytes] | None:
        """The number and the JPEG of the newest frame; None at the end.

        Args:
            after: The number of the previous frame; this waits for a newer one.
        """
        while not self._closed and self._encoded <= after:
            woken = self._loop.create_future()
            self._following.add(woken)
            try:
                await woken
            finally:
                self._following.discard(woken)
        return None if self._closed else (self._encoded, self._jpeg)

    def _count(self, change: int) -> None:
        with self._changed:
            self.watchers += change
            if self.watchers == change == 1:
                # What was encoded for the last client may be hours old.
                self._taken = self._encoded = 0
            self._changed.notify_all()

    def _encode(self) -> None:
        while (newest := self._next()) is not None:
            number, pixels = newest
            jpeg = to_jpeg(pixels)
            try:
                self._loop.call_soon_threadsafe(self._deliver, number, jpeg)
            except RuntimeError:
                # The event loop has ended.
                return

    def _next(self) -> tuple[int, Pixels] | None:
        """The newest frame, once there is one to encode that somebody watches; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self.watchers and self._has_new()))
            if self._closed or self._pixels is None:
                return None
            self._taken = self._number
            return self._number, self._pixels

    def _has_new(self) -> bool:
        return self._number > self._taken

    def _deliver(self, number: int, jpeg: bytes) -> None:
        self._encoded, self._jpeg = number, jpeg
        self._wake()

    def _wake(self) -> None:
        for woken in self._following:
            if not woken.done():
                woken.set_result(None)
