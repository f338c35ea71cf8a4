"""What surrounds every request: its record, its answer after an error, and its unread body."""

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visus.apps.live.serve.answers import RequestError, refusal

_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


@dataclass(frozen=True)
class Exchange:
    """One request with its answer.

    Attributes:
        client: Address of the client.
        method: Such as GET.
        path: Path without the query, which may hold a token.
        route: Path of the route that answered; empty where there is none.
        status: HTTP status of the answer.
        seconds: Time until the answer was complete.
    """

    client: str
    method: str
    path: str
    route: str
    status: int
    seconds: float


class Recorder:
    """Reports each request, and answers the ones that fail with JSON.

    Args:
        app: The application.
        record: Called after each request.
    """

    def __init__(self, app: ASGIApp, record: Callable[[Exchange], None]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        start = time.perf_counter()
        # With an application there, Starlette raises its errors instead of answering with text.
        scope["app"] = self._app
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if status:
                # Only a part of the answer was sent; the connection is closed.
                raise
            await refusal(_as_request_error(error))(scope, receive, send_with_headers)
        finally:
            client = scope["client"][0] if scope["client"] else ""
            route = getattr(scope.get("route"), "path", "")
            seconds = time.perf_counter() - start
            method, path = scope["method"], scope["path"]
            self._record(Exchange(client, method, path, route, status, seconds))


def _as_request_error(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        message = {
            HTTPStatus.NOT_FOUND: "there is nothing at this path; /docs lists what there is",
            HTTPStatus.METHOD_NOT_ALLOWED: "this path does not take this method; see /docs",
        }.get(HTTPStatus(error.status_code), error.detail)
        return RequestError(HTTPStatus(error.status_code), message, error.headers)
    traceback.print_exception(error, file=sys.stderr)
    return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, f"visus failed ({type(error).__name__})")


class Lingering:
    """Receives the rest of a body that the application did not read.

    The answer is sent at once, but a connection that is closed before its client has sent all
    that it wants to send is reset, and the client never reads why it was refused.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        names = {name: value for name, value in scope["headers"]}
        sends_body = b"content-length" in names or b"transfer-encoding" in names
        # Such a client sends nothing before it is asked to.
        complete = not sends_body or b"expect" in names

        async def receive_body() -> Message:
            nonlocal complete
            message = await receive()
            complete = message["type"] == "http.disconnect" or not message.get("more_body")
            return message

        async def send_last_part_later(message: Message) -> None:
            if message["type"] != "http.response.body" or message.get("more_body") or complete:
                await send(message)
                return
            await send({**message, "more_body": True})
            # The deadline of the connection ends this.
            while not complete:
                await receive_body()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, receive_body, send_last_part_later)
