"""The application: what each path answers."""

import asyncio
import sys
from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from visus.apps.live.serve.answers import RequestError, json_answer
from visus.apps.live.serve.batching import PREDICT_SECONDS
from visus.apps.live.serve.bodies import Bodies
from visus.apps.live.serve.frames import NewestFrame
from visus.apps.live.serve.metrics import MEDIA_TYPE
from visus.apps.live.serve.middleware import Lingering, Recorder
from visus.apps.live.serve.openapi import openapi
from visus.apps.live.serve.operations import operations
from visus.apps.live.serve.pages import page
from visus.apps.live.serve.prediction import Answer, Upload, set_threshold, threshold_of
from visus.apps.live.serve.security import Guard, cookie_name
from visus.vision.errors import VisusError
from visus.vision.printable import printable

if TYPE_CHECKING:
    from visus.apps.live.serve.server import PageServer

Result = TypeVar("Result")

_RATE = 30.0
"""Maximum frames/s of each stream."""

_CLIENT_GONE = 499
"""The status of a request whose client did not wait for the answer, as nginx records it."""


def build_app(server: "PageServer") -> ASGIApp:
    """The application of a server."""
    handlers = _Handlers(server)
    offered = operations(handlers)
    document = openapi(offered, bool(server.token))
    handlers.document = document
    routes: list[Route] = [each.route() for each in offered]
    routes += [
        Route("/", handlers.page, methods=["GET"]),
        Route("/docs", handlers.docs, methods=["GET"]),
        Route("/openapi.json", handlers.openapi, methods=["GET"]),
    ]
    router = Router(routes, redirect_slashes=False)
    guard = Guard(router, server.address.loopback, server.token, lambda: server.stopping)
    return Lingering(Recorder(guard, server.record))


class _Handlers:
    """Answers to requests.

    Args:
        server: The server.
    """

    def __init__(self, server: "PageServer") -> None:
        self._server = server
        self._bodies = Bodies()
        self.document: dict[str, Any] = {}

    async def page(self, request: Request) -> Response:
        """The page for people."""
        response = page("page")
        if "token" in request.query_params:
            name = cookie_name(request.headers["host"])
            response.set_cookie(name, self._server.token, httponly=True, samesite="strict")
        return response

    async def docs(self, request: Request) -> Response:
        """The page that shows the OpenAPI document."""
        return page("docs")

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        return json_answer(self.document)

    async def health(self, request: Request) -> Response:
        """Whether the process answers."""
        return json_answer({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether an image would be accepted."""
        batcher = self._server.batcher
        if batcher.full:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{batcher.waiting} images are waiting"
            )
        return json_answer({"status": "ready", "waiting": batcher.waiting})

    async def metrics(self, request: Request) -> Response:
        """The metrics for Prometheus."""
        return Response(self._server.metrics.text(), media_type=MEDIA_TYPE)

    async def models(self, request: Request) -> Response:
        """The models."""
        return json_answer({"models": self._server.describe_models()})

    async def predict(self, request: Request) -> Response:
        """The prediction for an image."""
        query = request.query_params
        model = self._server.model(query.get("model"))
        threshold = _threshold(query["threshold"]) if "threshold" in query else None
        if threshold is not None and threshold_of(self._server.sessions[model].model) is None:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"model {model!r} has no threshold")
        name, drawn = query.get("name", "upload")[:200], query.get("drawn", "0")
        if drawn not in ("0", "1"):
            raise RequestError(HTTPStatus.BAD_REQUEST, f"drawn {drawn!r:.100} is neither 0 nor 1")
        try:
            async with self._bodies.receive(request) as data:
                upload = Upload(data, name, drawn == "1", threshold)
                answer = await _unless_gone(request, self._answer(model, upload))
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE)
        timing = ", ".join(f"{key};dur={1000 * s:.2f}" for key, s in answer.seconds.items())
        return Response(answer.body, HTTPStatus.OK, {"Server-Timing": timing}, "application/json")

    async def _answer(self, model: str, upload: Upload) -> Answer:
        future = self._server.batcher.submit(model, upload)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), PREDICT_SECONDS)
        except TimeoutError:
            raise _too_late() from None
        except RequestError:
            raise
        except VisusError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
        except Exception as error:
            # The message may name files of this machine: it is not for clients.
            line = f"visus: the model failed on an image ({type(error).__name__}: {error})"
            print(printable(line), file=sys.stderr)
            raise RequestError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"the model failed on this image ({type(error).__name__})",
            ) from None

    async def state(self, request: Request) -> Response:
        """The state of the live image."""
        # The results of a frame may be large.
        return await asyncio.to_thread(lambda: json_answer(self._server.state()))

    async def pause(self, request: Request) -> Response:
        """Pause or continue the live image."""
        return json_answer(self._server.toggle_pause())

    async def threshold(self, request: Request) -> Response:
        """Set the threshold of a model."""
        query = request.query_params
        name = self._server.model(query.get("model"))
        model = self._server.sessions[name].model
        if threshold_of(model) is None:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"model {name!r} has no threshold")
        set_threshold(model, _threshold(query["value"]))
        return json_answer({"threshold": threshold_of(model)})

    async def stream(self, request: Request) -> Response:
        """The live image as motion JPEG."""
        return _Stream(self._server.frames)


class _Stream(Response):
    """Motion JPEG: a sequence of images in one answer, each the newest when the last was sent."""

    def __init__(self, frames: NewestFrame) -> None:
        super().__init__(media_type="multipart/x-mixed-replace; boundary=frame")
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send images until the client goes or the frames end."""

        async def send_frames() -> None:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            await _send_part(send, b"--frame\r\n")
            number = 0
            while (following := await self._frames.following(number)) is not None:
                number, jpeg = following
                head_of_part = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # Browsers show an image when they have read the boundary after it.
                await _send_part(send, head_of_part.encode() + jpeg + b"\r\n--frame\r\n")
                await asyncio.sleep(1 / _RATE)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        with self._frames.watcher():
            try:
                await _unless_gone(Request(scope, receive), send_frames())
            except ClientDisconnect:
                # The client has seen enough.
                pass


async def _send_part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, which is cancelled as soon as the client goes.

    Raises:
        ClientDisconnect: If the client has gone.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"the threshold {text!r:.100} must lie between 0 and 1"
        )
    return value


def _too_late() -> RequestError:
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE, "the model did not answer in time; send it again later"
    )
