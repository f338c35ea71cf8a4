"""The figures of a server in the text format of Prometheus."""

from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from visus.apps.live.serve.middleware import Exchange

MEDIA_TYPE = CONTENT_TYPE_LATEST
"""The media type of `Metrics.text`."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts requests, and measures stages and batches.

    Args:
        waiting: Number of images in the queue.
        watchers: Number of clients that watch.
        frames: Number of live frames.
    """

    def __init__(
        self, waiting: Callable[[], int], watchers: Callable[[], int], frames: Callable[[], int]
    ) -> None:
        # Of this server alone: the default registry is one for the whole process.
        # The times at which the counters began, a line for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "visus_requests",
            "Requests by path, method and status of the answer",
            ("path", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "visus_request_seconds",
            "Time from a request's head to the end of its answer",
            ("path",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "visus_stage_seconds",
            "Time of an image in a stage: queue, decode, predict, draw",
            ("model", "stage"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "visus_batch_images",
            "Images in one run of a network",
            ("model",),
            buckets=(1, 2, 4, 8),
            registry=registry,
        )
        for name, text, value in (
            ("visus_waiting_images", "Images in the queue", waiting),
            ("visus_watchers", "Clients that watch the live image", watchers),
            ("visus_live_frames", "Live frames since the start", frames),
        ):
            Gauge(name, text, registry=registry).set_function(value)

    def record(self, exchange: Exchange) -> None:
        """Count a request; those of unknown paths or methods together, of which there is no end."""
        path = exchange.route or "other"
        refused = exchange.status == HTTPStatus.METHOD_NOT_ALLOWED
        method = exchange.method if exchange.route and not refused else "other"
        self._requests.labels(path, method, exchange.status).inc()
        if path != "/stream":
            self._seconds.labels(path).observe(exchange.seconds)

    def observe(self, model: str, stage: str, value: float) -> None:
        """Record the seconds of a stage, or with stage `batch` a number of images."""
        if stage == "batch":
            self._batches.labels(model).observe(value)
        else:
            self._stages.labels(model, stage).observe(value)

    def text(self) -> bytes:
        """All figures."""
        return generate_latest(self._registry)
