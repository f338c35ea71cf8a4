"""The operations that the server offers to programs."""

from collections.abc import Awaitable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from visus.apps.live.serve.openapi import OBJECT, Operation, Parameter, Schema

_BINARY: Schema = {"type": "string", "format": "binary"}
_FORM: Schema = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}

_MODEL = Parameter("model", "Name of the model, as GET /models lists it; by default the first")


class Handlers(Protocol):
    """What answers the operations, each by the method of its name."""

    def health(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def ready(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def metrics(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def models(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def predict(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def state(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def pause(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def threshold(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102

    def stream(self, request: Request) -> Awaitable[Response]: ...  # noqa: D102


def operations(handlers: Handlers) -> list[Operation]:
    """All operations."""
    return [
        Operation(
            "POST",
            "/predict",
            "The prediction for an image, as the JSON object that --jsonl writes",
            handlers.predict,
            parameters=(
                _MODEL,
                Parameter("name", "The source in the answer"),
                Parameter(
                    "drawn",
                    "1 for the annotated image too, as drawn, a data URL",
                    {"type": "string", "enum": ["0", "1"]},
                ),
                Parameter("threshold", "Minimum score, instead of the model's own", _FRACTION),
            ),
            body={
                "application/octet-stream": _BINARY,
                "image/*": _BINARY,
                "multipart/form-data": _FORM,
            },
            refusals={
                400: "Not an image, or a wrong parameter",
                404: "There is no such model",
                408: "The request did not arrive in time",
                413: "The image is too large",
                415: "A body of another type",
                500: "The model failed on this image",
                503: "Too many images are waiting, or the answer took too long; send it again",
            },
        ),
        Operation(
            "GET", "/models", "Name, task, classes and threshold of each model", handlers.models
        ),
        Operation("GET", "/health", "Whether the process answers", handlers.health),
        Operation(
            "GET",
            "/ready",
            "Whether an image would be accepted now",
            handlers.ready,
            refusals={503: "The queue is full, or the server is stopping"},
        ),
        Operation(
            "GET",
            "/metrics",
            "Requests, times of stages, batches and queue for Prometheus",
            handlers.metrics,
            answer=("text/plain", {"type": "string"}),
        ),
        Operation(
            "GET",
            "/stream",
            "The live image with its predictions, as motion JPEG",
            handlers.stream,
            answer=("multipart/x-mixed-replace", _BINARY),
            refusals={503: "Too many clients watch"},
        ),
        Operation("GET", "/state", "Figures and state of the live image", handlers.state),
        Operation("POST", "/pause", "Pause or continue the live image", handlers.pause),
        Operation(
            "POST",
            "/threshold",
            "Set the minimum score of a model for the live image and later requests",
            handlers.threshold,
            parameters=(_MODEL, Parameter("value", "The minimum score", _FRACTION, required=True)),
            answer=("application/json", OBJECT),
            refusals={400: "The model has no threshold, or it is not within 0 and 1"},
        ),
    ]
