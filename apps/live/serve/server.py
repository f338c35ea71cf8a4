"""The HTTP server: live frames on a page, `POST /predict` for programs."""

import base64
import os
import queue
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from http.server import ThreadingHTTPServer
from typing import Any

import cv2

from visus.apps.drawing import draw_prediction
from visus.apps.live.loop import to_entry
from visus.apps.live.serve.requests import STREAMS, Address, RequestHandler, parse_address
from visus.apps.live.sinks.base import Sink
from visus.apps.live.stopping import until_stopped
from visus.vision.drawing.grid import to_bgr
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model

TOKEN_VARIABLE = "VISUS_TOKEN"
"""The environment variable of the token; where it is not set, a random one is generated."""

_WAITING = 8
"""Maximum number of images that wait for the model; more are refused before they are read."""

_DECODED = 2
"""Maximum number of them that are decoded: 20 MB may become half a gigabyte."""

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


class PageServer(Sink):
    """Shows frames in browsers, and predicts images that are sent to it.

    The thread that calls `show` or `wait` computes all predictions, one after the other.

    Args:
        address: `PORT` for this machine only, or `HOST:PORT`, where every request needs the token.
        model: The model.
        moving: Whether there are frames to be shown.

    Attributes:
        figures: Returns a line for the page.
        token: The token; empty where only this machine is accepted.
        streams: Acquired by browsers that watch the stream.
        waiting: Acquired by images that are sent, until they are answered.
        decoders: Acquired by images that are sent, while they are decoded.

    Raises:
        VisusError: If the address is malformed or cannot be used.
    """

    def __init__(self, address: str, model: Model, moving: bool) -> None:
        self.address: Address = parse_address(address)
        self.model = model
        self.moving = moving
        self.figures: Callable[[], str] = str
        self.token = ""
        if not self.address.loopback:
            self.token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(16)
        self._jobs: queue.Queue[tuple[Pixels, str, bool, Future[dict[str, Any]]]] = queue.Queue()
        self.streams = threading.Semaphore(STREAMS)
        self.waiting = threading.Semaphore(_WAITING)
        self.decoders = threading.Semaphore(_DECODED)
        self._changed = threading.Condition()
        self._frame: Pixels | None = None
        self._number = 0
        self._encoded = (0, b"")
        self._note = ""
        self._paused = False
        self._closed = False
        self._server = _listen(self.address, self)
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()

    @property
    def url(self) -> str:
        """The URL of the page."""
        host = "localhost" if self.address.loopback else self.address.shown_host
        # The user's own token is not printed.
        given = self.token == os.environ.get(TOKEN_VARIABLE)
        token = f"${TOKEN_VARIABLE}" if given else self.token
        token = f"?token={token}" if self.token else ""
        return f"http://{host}:{self._server.server_port}/{token}"

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; answers a waiting image, and waits while the page is paused.

        A single image pauses the page, so that it is shown until the user continues.
        """
        with self._changed:
            self._frame = drawn
            self._note = frame.note
            self._number += 1
            self._paused |= frame.index is None
            self._changed.notify_all()
        self._answer(0)
        while self._paused:
            self._answer(0.1)
        return True

    def wait(self) -> None:
        """Answer images until Ctrl+C or SIGTERM is received."""
        with until_stopped():
            while True:
                self._answer(0.5)
        self.close()

    def close(self) -> None:
        """See `Sink.close`; cancels waiting requests."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while not self._jobs.empty():
            self._jobs.get_nowait()[-1].cancel()
        self._server.shutdown()
        self._server.server_close()

    def submit(self, image: Pixels, name: str, drawn: bool) -> Future[dict[str, Any]]:
        """Queue an image for prediction; the result is its JSON Lines object.

        Args:
            image: uint8 RGB of shape (height, width, 3).
            name: The `source` in the result.
            drawn: Whether the result includes the annotated image, as `drawn`, a data URL.
        """
        future: Future[dict[str, Any]] = Future()
        self._jobs.put((image, name, drawn, future))
        return future

    def state(self) -> dict[str, Any]:
        """The state of the page."""
        figures = self._note or self.figures()
        return {"figures": figures, "paused": self._paused, "moving": self.moving}

    def toggle_pause(self) -> dict[str, Any]:
        """Pause or continue; returns the state."""
        self._paused = not self._paused
        return self.state()

    def next_jpeg(self, after: int) -> tuple[int, bytes] | None:
        """The number and the JPEG of the newest frame; None at the end.

        The request's thread encodes it, so that the loop does not wait.

        Args:
            after: The number of the previous frame; this waits for a newer one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > after)
            if self._closed:
                return None
            frame, number = self._frame, self._number
            encoded, jpeg = self._encoded
        assert frame is not None
        if encoded != number:
            jpeg = _to_jpeg(frame)
            self._encoded = number, jpeg
        return number, jpeg

    def _answer(self, seconds: float) -> None:
        """Predict one queued image, waiting for it up to a number of seconds."""
        try:
            image, name, drawn, future = self._jobs.get(timeout=seconds or None, block=seconds > 0)
        except queue.Empty:
            return
        try:
            prediction = self.model.predict(image)
            entry = to_entry(Frame(image, name, None, None, 0.0), prediction)
            if drawn:
                pixels = base64.b64encode(_to_jpeg(draw_prediction(image, prediction))).decode()
                entry["drawn"] = f"data:image/jpeg;base64,{pixels}"
            future.set_result(entry)
        except InvalidStateError:
            # The request was cancelled.
            pass
        except Exception as error:
            # No request may stop the loop.
            future.set_exception(error)


def _to_jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", to_bgr(pixels), _JPEG)[1].tobytes()


def _listen(address: Address, page: PageServer) -> ThreadingHTTPServer:
    class Handler(RequestHandler):
        """Answers requests for this page."""

        server_page = page

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        daemon_threads = True
        request_queue_size = 64

    try:
        return Server((address.host, address.port), Handler)
    except OSError as error:
        raise VisusError(
            f"{address.text}: cannot listen there ({error.strerror}); "
            "check the host, or name another port"
        ) from None
