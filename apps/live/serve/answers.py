"""JSON answers, and the exception for a request that is refused."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

RETRY = {"Retry-After": "1"}
"""The header that tells clients when to send a refused request again, in seconds."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status.
        message: The reason and the remedy.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.update(RETRY)


def to_json(entry: Mapping[str, Any]) -> bytes:
    """A JSON object as one line of UTF-8."""
    return (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def json_answer(entry: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
    """An answer with a JSON object."""
    return Response(to_json(entry), status, media_type="application/json")


def refusal(error: RequestError) -> Response:
    """The answer to a request that is refused: the reason as `error`."""
    body = to_json({"error": str(error)})
    return Response(body, error.status, error.headers, media_type="application/json")
