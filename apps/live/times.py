"""Times of a loop: latency of each stage, frame rate, dropped frames."""

from collections import deque
from typing import Any

import numpy as np

from visus.apps.live.sources.base import Source

STAGES = ("latency", "predict", "draw", "show")
"""The measured times of a frame: from capture until it is shown, and the stages of that."""

_MAX_FRAMES = 100_000
_RECENT = 30


class LoopTimes:
    """The times of the last 100,000 frames of a loop.

    Args:
        source: The source of the frames; a live one counts dropped frames.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: deque[tuple[float, float, float, float, float]] = deque(maxlen=_MAX_FRAMES)

    def add(self, shown: float, latency: float, predict: float, draw: float, show: float) -> None:
        """Record when a frame was shown (`time.perf_counter()`), and its `STAGES` in seconds."""
        self._frames.append((shown, latency, predict, draw, show))

    @property
    def dropped(self) -> int:
        """Frames of a live source that were not processed."""
        return int(getattr(self._source, "dropped", 0))

    def line(self) -> str:
        """The figures of the last 30 frames as one line; empty before the second frame."""
        recent = np.array([self._frames[i] for i in range(-min(_RECENT, len(self._frames)), 0)])
        if len(recent) < 2:
            return ""
        rate = (len(recent) - 1) / max(recent[-1, 0] - recent[0, 0], 1e-9)
        stages = " ".join(
            f"{name} {1000 * value:.0f}"
            for name, value in zip(STAGES, np.median(recent[:, 1:], 0), strict=True)
        )
        return f"{rate:.1f} frames/s  {stages} ms  dropped {self.dropped}"

    def report(self) -> dict[str, Any]:
        """Number of frames, frame rate, dropped frames; median, p95 and p99 of each stage in ms."""
        times = np.array(self._frames).reshape(-1, 1 + len(STAGES))
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
