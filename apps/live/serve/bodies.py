"""The image in a request: the body itself, or the file of a form, within bounds of memory."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from email.parser import HeaderParser
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from visus.apps.live.serve.answers import RequestError

MAX_BYTES = 20 * 2**20
"""Maximum size of an image that is sent, in bytes."""

_MAX_TOTAL = 512 * 2**20
"""Maximum size of all bodies that are in memory, in bytes."""

_MAX_PARTS = 16
"""Maximum number of parts of a form."""

_FORM_BYTES = 2**16
"""Bytes of a form beside its image."""


class Bodies:
    """Receives the bodies of requests, all of them within `_MAX_TOTAL` bytes."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[bytes]:
        """The bytes of the image in a request, which count until the block is left.

        Raises:
            RequestError: If it is too large, of another kind or empty, or if the bodies that are
                held already leave no room for it.
            ClientDisconnect: If the client has gone.
        """
        kind = _kind(request)
        form = kind == "multipart/form-data"
        limit = MAX_BYTES + (_FORM_BYTES if form else 0)
        declared = int(request.headers.get("content-length", 0))
        if declared > limit:
            raise _too_large(f"{declared / 2**20:.4g} MB is too large")
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._held += len(chunk)
                if size > limit:
                    raise _too_large("the image is too large")
                if self._held > _MAX_TOTAL:
                    raise RequestError(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        "too many large images are arriving; send it again later",
                    )
                chunks.append(chunk)
            body = b"".join(chunks)
            chunks.clear()
            yield file_of_form(body, request.headers["content-type"]) if form else _filled(body)
        finally:
            self._held -= size


def _kind(request: Request) -> str:
    """The media type of the body, which may be anything that does not declare another use."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # curl --data-binary declares every body as a form of this kind.
    raw = ("", "application/octet-stream", "application/x-www-form-urlencoded")
    if kind not in (*raw, "multipart/form-data") and not kind.startswith("image/"):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a body of type {kind!r:.100} is not accepted; send the bytes of an image as "
            "application/octet-stream, or one file as multipart/form-data",
        )
    return kind


def file_of_form(body: bytes, content_type: str) -> bytes:
    """The only file in a body of type multipart/form-data.

    Args:
        body: The body.
        content_type: Its type, with the boundary of the parts.

    Raises:
        RequestError: If it is malformed, or holds no or several files.
    """
    boundary = _boundary(content_type)
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_PARTS + 2)
    if len(parts) < 2 or len(parts) > _MAX_PARTS + 2 or not parts[-1].startswith(b"--"):
        raise _malformed_form(f"it has no end, or over {_MAX_PARTS} parts")
    files = []
    for part in parts[1:-1]:
        head, separator, content = part.partition(b"\r\n\r\n")
        if not separator:
            raise _malformed_form("a part has no headers")
        message = HeaderParser().parsestr(head.strip().decode("utf-8", "replace"))
        if message.get_filename() is not None:
            files.append(content)
    if len(files) != 1:
        raise _malformed_form(f"it has {len(files)} files, where one is expected")
    return _filled(files[0])


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary("")
    if not re.fullmatch(r"[\x20-\x7e]{1,70}", boundary):
        raise _malformed_form("its Content-Type has no boundary")
    return boundary.encode()


def _filled(body: bytes) -> bytes:
    if not body:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body is empty; send the bytes of an image")
    return body


def _too_large(reason: str) -> RequestError:
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{reason}; {MAX_BYTES / 2**20:g} MB at most"
    )


def _malformed_form(reason: str) -> RequestError:
    return RequestError(
        HTTPStatus.BAD_REQUEST,
        f"the form is not as expected: {reason}; send one file as multipart/form-data",
    )


__all__ = ["MAX_BYTES", "Bodies", "ClientDisconnect", "file_of_form"]
