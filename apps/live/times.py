"""Times of a loop: latency of each stage, frame rate, dropped frames, and the camera's state."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.apps.live.sources.base import Source

STAGES = ("latency", "predict", "draw", "show")
"""The measured times of a frame: from capture until it is shown, and the stages of that."""

Times = NDArray[np.float64]

_MAX_FRAMES = 100_000
_RECENT = 30


class LoopTimes:
    """The times of the last 100,000 frames of a source.

    Args:
        source: The source of the frames; a live one counts dropped frames.

    Attributes:
        skipped: Frames that were replaced by newer ones while the loop processed other cameras.
        state: `starting`, `live`, `ended`, or why there is no frame.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # Memory is used as it is filled.
        self._frames = np.empty((_MAX_FRAMES, 1 + len(STAGES)))
        self._count = 0
        self.skipped = 0
        self.state = "starting"

    def add(self, shown: float, latency: float, predict: float, draw: float, show: float) -> None:
        """Record when a frame was shown (`time.perf_counter()`), and its `STAGES` in seconds."""
        self._frames[self._count % _MAX_FRAMES] = shown, latency, predict, draw, show
        self._count += 1

    @property
    def dropped(self) -> int:
        """Frames of a live source that were not processed."""
        return int(getattr(self._source, "dropped", 0)) + self.skipped

    def line(self) -> str:
        """The figures of the last 30 frames as one line; empty before the second frame."""
        recent = self._last(_RECENT)
        if len(recent) < 2:
            return ""
        stages = " ".join(
            f"{name} {1000 * value:.0f}"
            for name, value in zip(STAGES, np.median(recent[:, 1:], 0), strict=True)
        )
        return f"{_rate(recent):.1f} frames/s  {stages} ms  dropped {self.dropped}"

    def rate(self) -> float:
        """Frames/s of the last 30 frames; 0 where the camera is not live."""
        recent = self._last(_RECENT)
        return _rate(recent) if self.state == "live" and len(recent) > 1 else 0.0

    def short_line(self) -> str:
        """Frame rate, latency and dropped frames while the camera is live, or its state."""
        rate = self.rate()
        if not rate:
            return self.state
        latency = 1000 * np.median(self._last(_RECENT)[:, 1])
        return f"{rate:.1f} frames/s  {latency:.0f} ms  dropped {self.dropped}"

    def report(self) -> dict[str, Any]:
        """Number of frames, frame rate, dropped frames; median, p95 and p99 of each stage in ms."""
        times = self._last(_MAX_FRAMES)
        seconds = float(times[-1, 0] - times[0, 0]) if len(times) else 0.0
        report: dict[str, Any] = {
            "frames": len(times),
            "frames_per_second": round((len(times) - 1) / seconds, 3) if seconds else None,
            "dropped": self.dropped,
        }
        for i, name in enumerate(STAGES if len(times) else ()):
            levels = np.percentile(1000 * times[:, i + 1], [50, 95, 99])
            named = zip(("median", "p95", "p99"), levels, strict=True)
            report[f"{name}_ms"] = {level: round(float(value), 3) for level, value in named}
        return report

    def _last(self, frames: int) -> Times:
        """The times of the last frames, of shape (frames, 1 + stages), in their order."""
        end = self._count
        return self._frames[np.arange(max(0, end - frames), end) % _MAX_FRAMES]


def _rate(times: Times) -> float:
    """Frames/s."""
    return (len(times) - 1) / max(float(times[-1, 0] - times[0, 0]), 1e-9)
