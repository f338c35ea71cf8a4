"""HTTP requests of browsers and programs: routes, checks, answers."""

import hmac
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from visus.vision.errors import VisusError
from visus.vision.images import MemoryShortageError, read_image

if TYPE_CHECKING:
    from visus.apps.live.serve.server import PageServer

MAX_BYTES = 20 * 2**20
"""Maximum size of an image that is sent, in bytes."""

_REQUEST_SECONDS = 10.0
"""Time limit for receiving a request."""

_PREDICT_SECONDS = 60.0
"""Time limit for a prediction."""

STREAMS = 8
"""Maximum number of browsers that watch the stream."""

_RATE = 30.0
"""Maximum frames/s of each stream."""

_COOKIE = "visus"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Address:
    """An address to listen on.

    Attributes:
        text: As given on the command line.
        host: A host name or IP address.
        port: 0 for any free port.
    """

    text: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in _LOOPBACK

    @property
    def shown_host(self) -> str:
        """The host as part of a URL."""
        if self.host in ("0.0.0.0", "::"):
            # All addresses of this machine: its name resolves to one of them.
            return socket.gethostname()
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_address(text: str) -> Address:
    """Parse `PORT` or `HOST:PORT`.

    Raises:
        VisusError: If it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise VisusError(f"{text!r} is not an address to listen on; write a port, or HOST:PORT")
    return Address(text, host.strip("[]") or "127.0.0.1", int(port))


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status.
        message: The reason and the remedy.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestHandler(BaseHTTPRequestHandler):
    """Answers the requests of one client, one after the other."""

    server_page: ClassVar["PageServer"]
    server_version = "visus"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_SECONDS
    _unread = 0

    def do_GET(self) -> None:
        """Answer GET."""
        page = self.server_page
        model = page.model
        health = {"model": model.name, "task": model.metadata.task, "runtime": model.runtime}
        self._dispatch(
            {
                "/": self._page,
                "/stream": self._stream,
                "/state": lambda: self._send_json(page.state()),
                "/health": lambda: self._send_json(health),
            }
        )

    def do_POST(self) -> None:
        """Answer POST."""
        self._dispatch(
            {
                "/predict": self._predict,
                "/pause": lambda: self._send_json(self.server_page.toggle_pause()),
            }
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: request paths may contain the token."""

    def _dispatch(self, routes: dict[str, Callable[[], None]]) -> None:
        path = urlsplit(self.path).path
        length = self.headers.get("Content-Length", "")
        self._unread = int(length) if length.isdecimal() else 0
        try:
            try:
                self._check_origin(path)
                self._check_token(path)
                if path not in routes:
                    raise RequestError(HTTPStatus.NOT_FOUND, f"there is no {self.command} {path}")
                routes[path]()
            except RequestError as error:
                self.close_connection = True
                self._drain()
                self._send_json({"error": str(error)}, error.status)
        except (ConnectionError, TimeoutError):
            # The client has closed the connection.
            self.close_connection = True

    def _check_origin(self, path: str) -> None:
        """Refuse pages of other sites that use the browser of the camera's owner."""
        address = urlsplit(f"//{self.headers.get('Host', '')}")
        if self.server_page.address.loopback and address.hostname not in _LOOPBACK:
            raise RequestError(
                HTTPStatus.FORBIDDEN, "this server accepts requests from this machine only"
            )
        origin = self.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != address.netloc
        site = self.headers.get("Sec-Fetch-Site", "none")
        if foreign or (path != "/" and site not in ("none", "same-origin")):
            raise RequestError(HTTPStatus.FORBIDDEN, "requests from other sites are refused")

    def _check_token(self, path: str) -> None:
        token = self.server_page.token
        if not token:
            return
        cookies = dict(
            part.strip().partition("=")[::2] for part in self.headers.get("Cookie", "").split(";")
        )
        scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
        offered = [cookies.get(_COOKIE, ""), bearer if scheme.lower() == "bearer" else ""]
        if path == "/":
            offered += self._query("token")
        if not any(hmac.compare_digest(each.encode(), token.encode()) for each in offered):
            raise RequestError(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong; open the address that visus printed, or send "
                "Authorization: Bearer TOKEN",
            )

    def _page(self) -> None:
        html = (files("visus.apps.live.serve") / "page.html").read_text(encoding="utf-8")
        html = html.replace("MAX_BYTES", str(MAX_BYTES))
        headers = {
            "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; "
            "connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            "Referrer-Policy": "no-referrer",
        }
        if self._query("token"):
            cookie = f"{_COOKIE}={self.server_page.token}; HttpOnly; SameSite=Strict; Path=/"
            headers["Set-Cookie"] = cookie
        self._send(html.encode(), "text/html; charset=utf-8", headers=headers)

    def _stream(self) -> None:
        """Motion JPEG: a sequence of images in one response."""
        if not self.server_page.streams.acquire(blocking=False):
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{STREAMS} browsers watch the stream already; close one",
            )
        self.close_connection = True
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            number = 0
            while (following := self.server_page.next_jpeg(number)) is not None:
                number, jpeg = following
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(1 / _RATE)
        finally:
            self.server_page.streams.release()

    def _predict(self) -> None:
        waiting = self.server_page.waiting
        if not waiting.acquire(blocking=False):
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many images are waiting; send it again later"
            )
        try:
            entry = self._answer_to(self._body())
        finally:
            waiting.release()
        self._send_json(entry)

    def _answer_to(self, image_bytes: bytes) -> dict[str, Any]:
        name = (self._query("name") or ["upload"])[0][:200]
        try:
            with self.server_page.decoders:
                image = read_image(image_bytes)
                future = self.server_page.submit(image, name, self._query("drawn") == ["1"])
                return future.result(_PREDICT_SECONDS)
        except MemoryShortageError as error:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        except VisusError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
        except (TimeoutError, CancelledError):
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the model did not answer in time; send it again later",
            ) from None
        except Exception as error:
            raise RequestError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"the model failed on this image ({type(error).__name__}: {error})",
            ) from None

    def _body(self) -> bytes:
        if not self._unread:
            raise RequestError(
                HTTPStatus.LENGTH_REQUIRED, "send the bytes of an image, with their Content-Length"
            )
        if self._unread > MAX_BYTES:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{self._unread / 2**20:.4g} MB is too large; {MAX_BYTES / 2**20:g} MB at most",
            )
        body = self.rfile.read(self._unread)
        self._unread = 0
        return body

    def _drain(self) -> None:
        """Receive the rest of the request, so that the client reads the answer."""
        deadline = time.monotonic() + _REQUEST_SECONDS
        while self._unread > 0 and time.monotonic() < deadline:
            chunk = self.rfile.read(min(self._unread, 2**20))
            if not chunk:
                return
            self._unread -= len(chunk)

    def _query(self, key: str) -> list[str]:
        return parse_qs(urlsplit(self.path).query).get(key, [])

    def _send_json(self, entry: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        text = json.dumps(entry, ensure_ascii=False) + "\n"
        self._send(text.encode("utf-8", "backslashreplace"), "application/json", status)

    def _send(
        self,
        body: bytes,
        kind: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        common = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        if self.close_connection:
            common["Connection"] = "close"
        for name, value in {**common, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
