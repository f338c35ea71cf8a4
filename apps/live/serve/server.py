"""The HTTP server: live frames on a page, `POST /predict` for programs."""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import uvicorn

from visus.apps.inference.backends import usable_workers
from visus.apps.live.serve.access_log import AccessLog
from visus.apps.live.serve.address import Address, parse_address
from visus.apps.live.serve.answers import RequestError
from visus.apps.live.serve.app import build_app
from visus.apps.live.serve.batching import Batcher
from visus.apps.live.serve.connection import Connection
from visus.apps.live.serve.frames import NewestFrame
from visus.apps.live.serve.metrics import Metrics
from visus.apps.live.serve.middleware import Exchange
from visus.apps.live.serve.prediction import threshold_of
from visus.apps.live.sinks.base import Sink
from visus.apps.live.stopping import until_stopped
from visus.tasks.options import Session
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.prediction import Prediction

TOKEN_VARIABLE = "VISUS_TOKEN"
"""The environment variable of the token; where it is not set, a random one is generated."""

DRAIN_SECONDS = 10.0
"""Time limit for the requests that were accepted before the server stops."""

_SIGNAL_SECONDS = 0.5
"""How often a paused loop notices signals."""

_CLOSE_SECONDS = 2
"""Time limit for sending the last answers."""


class PageServer(Sink):
    """Shows frames in browsers, and predicts images that are sent to it.

    Requests are received by a thread with an event loop, and answered by the threads of a
    `Batcher`; the loop of the live frames waits for neither.

    Args:
        address: `PORT` for this machine only, or `HOST:PORT`, where every request needs the token.
        sessions: The models by the names that requests use.
        moving: Whether there are frames to be shown.
        access_log: A file for one line a request, or `-` for standard error; None for no log.

    Attributes:
        figures: Returns a line for the page.
        live: Whether frames come from cameras: a pause holds the image on the page only, and not
            what else is done with the frames.
        token: The token; empty where only this machine is accepted.
        stopping: Whether new requests are refused, as the server is about to stop.

    Raises:
        VisusError: If the address is malformed or cannot be used.
    """

    def __init__(
        self,
        address: str,
        sessions: Mapping[str, Session],
        moving: bool,
        access_log: str | None = None,
    ) -> None:
        self.address: Address = parse_address(address)
        self.sessions = dict(sessions)
        self.moving = moving
        self.figures: Callable[[], str] = str
        self.live = False
        self.token = ""
        if not self.address.loopback:
            self.token = own_token() or secrets.token_urlsafe(16)
        self.stopping = False
        self._note = ""
        self._newest: tuple[Frame, Prediction] | None = None
        self._paused = False
        self._changed = threading.Condition()
        self._closed = False
        socket = self.address.listen()
        self._port = socket.getsockname()[1]
        self._log = AccessLog(access_log) if access_log else None
        loop = asyncio.new_event_loop()
        self.frames = NewestFrame(loop)
        self.metrics = Metrics(
            lambda: self.batcher.waiting, lambda: self.frames.watchers, lambda: self.frames.number
        )
        self.batcher = Batcher(self.sessions, usable_workers(), self.metrics.observe)
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_app(self),
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_CLOSE_SECONDS,
            )
        )
        self._thread = threading.Thread(
            target=lambda: asyncio.Runner(loop_factory=lambda: loop).run(
                self._server.serve([socket])
            ),
            name="page",
            daemon=True,
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The URL of the page."""
        place = f"http://{self.address.shown_host}:{self._port}/"
        if not self.token:
            return place
        # The user's own token is not printed.
        given = self.token == own_token()
        return f"{place}?token={f'${TOKEN_VARIABLE}' if given else self.token}"

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; waits while the page is paused, unless the frames are live.

        A single image pauses the page, so that it is shown until the user continues.
        """
        self._note = frame.note
        if self.live and self._paused:
            return True
        self.frames.publish(drawn)
        with self._changed:
            self._paused |= frame.index is None
            # With a time limit: on Windows a signal does not end waiting.
            while not self._changed.wait_for(self._continues, _SIGNAL_SECONDS):
                pass
        return True

    def _continues(self) -> bool:
        return not self._paused or self.live or self._closed

    def watch(self, frame: Frame, prediction: Prediction) -> None:
        """Keep the prediction of the frame that the page shows."""
        if self.live and self._paused:
            return
        self._newest = frame, prediction

    def wait(self) -> None:
        """Answer requests until Ctrl+C or SIGTERM is received; finishes those it has accepted."""
        with until_stopped():
            while True:
                time.sleep(3600)
        self.close()

    def close(self) -> None:
        """See `Sink.close`; refuses new requests, and finishes those that were accepted."""
        with self._changed:
            if self._closed:
                return
            self._closed = self.stopping = True
            self._changed.notify_all()
        self.frames.close()
        self.batcher.finish(DRAIN_SECONDS)
        self.batcher.close()
        self._server.should_exit = True
        self._thread.join(DRAIN_SECONDS)
        if self._log is not None:
            self._log.close()

    def model(self, name: str | None) -> str:
        """The name of a requested model; by default the first.

        Raises:
            RequestError: If there is no such model.
        """
        if name is None:
            return next(iter(self.sessions))
        if name not in self.sessions:
            known = ", ".join(self.sessions)
            raise RequestError(
                HTTPStatus.NOT_FOUND, f"there is no model {name!r:.100}; choose from {known}"
            )
        return name

    def describe_models(self) -> list[dict[str, Any]]:
        """Name, task, runtime, classes and threshold of each model."""
        return [
            {
                "name": name,
                "task": session.model.metadata.task,
                "title": task_spec(session.model.metadata.task).title,
                "runtime": session.model.runtime,
                "precision": session.model.precision,
                "image_size": list(session.model.metadata.image_size),
                "class_names": list(session.model.metadata.class_names),
                "threshold": threshold_of(session.model),
            }
            for name, session in self.sessions.items()
        ]

    def state(self) -> dict[str, Any]:
        """The state of the page: figures, and the newest result as JSON Lines have it."""
        figures = self._note or self.figures()
        results = None
        if self._newest is not None:
            frame, prediction = self._newest
            results = frame.to_json() | prediction.to_json()
            # Clients do not learn where the files of models lie.
            for name, other in zip(list(self.sessions)[1:], results.get("and", ()), strict=False):
                other["model"] = name
        return {
            "figures": figures,
            "paused": self._paused,
            "moving": self.moving,
            "results": results,
        }

    def toggle_pause(self) -> dict[str, Any]:
        """Pause or continue; returns the state."""
        with self._changed:
            self._paused = not self._paused
            self._changed.notify_all()
        return self.state()

    def record(self, exchange: Exchange) -> None:
        """Record a request."""
        self.metrics.record(exchange)
        if self._log is not None:
            self._log.record(exchange)


def own_token() -> str:
    """The token that the user chose; empty without one.

    Raises:
        VisusError: If it cannot be sent in a header.
    """
    # Files of secrets often end with a newline.
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not all("!" <= character <= "~" for character in token):
        raise VisusError(f"{TOKEN_VARIABLE}: a token is ASCII letters, digits and signs, no spaces")
    return token
