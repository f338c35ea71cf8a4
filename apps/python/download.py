"""Fetch an image by its address, within bounds of size and time."""

import time
from base64 import b64encode
from http.client import HTTPException, InvalidURL
from urllib.error import URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from visus.apps.addresses import without_secrets
from visus.vision.images import ImageError

MAX_BYTES = 100_000_000
"""Size of the largest image that is fetched."""

SECONDS = 60.0
"""Time for the whole image."""

_ANSWER_SECONDS = 10.0
"""Time without a byte after which the server counts as gone."""

_BLOCK = 65_536


def is_web_address(text: str) -> bool:
    """Whether a source is an address of the web, `http://...` or `https://...`."""
    return text.lower().startswith(("http://", "https://"))


def fetch(address: str) -> bytes:
    """The bytes behind an address of the web.

    Redirections are followed to addresses of the web only.

    Args:
        address: `http://...` or `https://...`.

    Raises:
        ImageError: If it cannot be fetched within `SECONDS`, or is larger than `MAX_BYTES`.
    """
    name = without_secrets(address)
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler(), HTTPHandler(), HTTPSHandler()),
        *(HTTPDefaultErrorHandler(), HTTPErrorProcessor(), HTTPRedirectHandler()),
    ):
        opener.add_handler(handler)
    data = bytearray()
    end = time.monotonic() + SECONDS
    try:
        request = _request(address)
        answer = opener.open(request, timeout=_ANSWER_SECONDS)
        if answer is None:
            raise ImageError(f"{name}: leads to an address outside the web; fetch it yourself")
        with answer:
            # One read of what has arrived: a slow server must not outlast the time.
            while block := answer.read1(_BLOCK):
                data += block
                if len(data) > MAX_BYTES:
                    raise ImageError(
                        f"{name}: is larger than {MAX_BYTES // 10**6} MB; fetch it yourself, and "
                        "give the path of the file"
                    )
                if time.monotonic() > end:
                    raise ImageError(
                        f"{name}: not complete after {SECONDS:.0f} seconds; fetch it yourself"
                    )
    except (InvalidURL, ValueError):
        # Their messages quote parts of the address.
        raise ImageError(f"{name}: is not a valid address; check it") from None
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise ImageError(f"{name}: cannot be fetched ({reason}); check the address") from None
    return bytes(data)


def _request(address: str) -> Request:
    """A request for an address, whose user name and password go to its own server alone.

    Raises:
        ValueError: If it is malformed.
    """
    parts = urlsplit(address)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = Request(plain, headers={"User-Agent": "visus"})
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header(
            "Authorization", f"Basic {b64encode(login.encode()).decode()}"
        )
    return request
