"""Who may send requests: this machine or holders of the token, and no other web site."""

import hmac
import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from visus.apps.live.serve.address import LOOPBACK
from visus.apps.live.serve.answers import RequestError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(.+)", re.IGNORECASE)

_PROBES = ("/health", "/ready")
"""What is answered without the token: load balancers ask, and learn nothing but the state."""

_WHILE_CLOSING = ("/health", "/metrics")
"""What is answered while the last requests are finished."""


class Guard:
    """Refuses malformed requests, other sites, and clients without the token.

    Args:
        app: The application.
        loopback: Whether only this machine may send requests.
        token: What clients must send; empty for none.
        closing: Whether the server is about to stop.
    """

    def __init__(
        self,
        app: ASGIApp,
        loopback: bool,
        token: str,
        closing: Callable[[], bool],
    ) -> None:
        self._app = app
        self._loopback = loopback
        self._token = token
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            RequestError: If it is refused.
        """
        headers = Headers(scope=scope)
        _check_form(scope, headers)
        host = self._check_host(headers)
        _check_site(scope["path"], headers, host)
        self._check_token(scope, headers)
        if self._closing() and scope["path"] not in _WHILE_CLOSING:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the server is stopping; send it to another one",
                {"Connection": "close"},
            )
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> str:
        host = headers.get("host", "")
        found = _HOST.fullmatch(host)
        if found is None:
            raise _malformed(f"the header Host is {host!r:.100}, not HOST or HOST:PORT")
        if self._loopback and found[1].strip("[]").lower() not in LOOPBACK:
            raise RequestError(
                HTTPStatus.FORBIDDEN, "this server accepts requests from this machine only"
            )
        return host

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if not self._token or scope["path"] in _PROBES:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        # A strict parser would stop at an unusual cookie of another application on this host.
        cookies = cookie_parser(headers.get("cookie", ""))
        offered = [cookies.get(cookie_name(headers["host"]), "")]
        offered += [bearer] if scheme.lower() == "bearer" else []
        if scope["path"] == "/":
            offered += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if not any(hmac.compare_digest(each.encode(), self._token.encode()) for each in offered):
            raise RequestError(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong; open the address that visus printed, or send "
                "Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )


def cookie_name(host: str) -> str:
    """Name of the cookie that holds the token after the page was opened with it.

    Browsers send cookies to all ports of a host; the clients' port tells servers apart, which may
    be another one than the server's own, as that of a container.

    Args:
        host: The header Host, which was checked.
    """
    found = _HOST.fullmatch(host)
    return f"visus-{found[2] if found and found[2] else 'default'}"


def _check_form(scope: Scope, headers: Headers) -> None:
    if "transfer-encoding" in headers and "content-length" in headers:
        # Servers disagree on where such a request ends, which hides a second one in the first.
        raise _malformed("it has both Content-Length and Transfer-Encoding; send one of them")
    if not scope["path"].startswith("/"):
        raise _malformed(f"the path {scope['path']!r:.100} does not start with /")


def _check_site(path: str, headers: Headers, host: str) -> None:
    """Refuse pages of other sites that use the browser of the camera's owner."""
    origin = headers.get("origin")
    foreign = False
    if origin is not None:
        found = _ORIGIN.fullmatch(origin)
        if origin != "null" and (found is None or _HOST.fullmatch(found[1]) is None):
            raise _malformed(f"the header Origin is {origin!r:.100}, not SCHEME://HOST:PORT")
        foreign = found is None or found[1].lower() != host.lower()
    site = headers.get("sec-fetch-site", "none")
    if foreign or (path != "/" and site not in ("none", "same-origin")):
        raise RequestError(HTTPStatus.FORBIDDEN, "requests from other sites are refused")


def _malformed(reason: str) -> RequestError:
    return RequestError(
        HTTPStatus.BAD_REQUEST, f"malformed request: {reason}", {"Connection": "close"}
    )
