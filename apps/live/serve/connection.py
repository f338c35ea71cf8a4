"""One connection: HTTP/1.1 with deadlines for each request and for clients that do not read."""

import asyncio
import time
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from visus.apps.live.serve.answers import to_json

RECEIVE_SECONDS = 30.0
"""Time limit for receiving a request, from its first byte to the last of its body."""

STALL_SECONDS = 20.0
"""Time limit for a client to read what was sent to it."""

_LINGER_SECONDS = 2.0
"""How long what a refused client still sends is received: it reads the answer after that."""

MAX_CONNECTIONS = 500
"""Number of connections; beyond it the request that has taken longest to arrive is given up."""


class Connection(H11Protocol):
    """A connection whose client must send and read within time limits.

    uvicorn itself limits the time between two requests alone.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.monotonic()
        self._receiving: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`; gives up another request where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            arriving = [
                each
                for each in self.connections
                if isinstance(each, Connection) and each._receiving is not None
            ]
            if arriving:
                min(arriving, key=lambda each: each._started)._expire()
            else:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open")
                return
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        self._received()
        self._unset_keepalive_if_required()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; what follows a refused request is discarded."""
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        """Take what was received, and start or stop the time of the request."""
        if self._refused or self.transport.is_closing():
            return
        super().handle_events()
        if self._refused:
            return
        their_state = self.conn.their_state
        partial = their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if their_state is h11.SEND_BODY or partial:
            self._expect_request()
        else:
            self._received()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not a valid HTTP request")

    def shutdown(self) -> None:
        """Close as soon as the current request is answered."""
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`; the client does not read for now."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expect_request(self) -> None:
        if self._receiving is None:
            self._started = time.monotonic()
            self._receiving = self.loop.call_later(RECEIVE_SECONDS, self._expire)

    def _received(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _expire(self) -> None:
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the request did not arrive within {RECEIVE_SECONDS:g} s; send it again",
        )

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer without the application, where it has not answered yet, and close."""
        self._received()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            answered = self.cycle.response_started
        else:
            # Nothing was asked on a connection without a byte.
            answered = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if answered or self.transport.is_closing():
            self.transport.close()
            return
        self._refused = True
        body = to_json({"error": message})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
