"""Confidence intervals of metrics by the bootstrap."""

import math
import time
from collections.abc import Callable

import numpy as np

from visus.tasks.assessment import Indices

MIN_SAMPLES = 10
"""Fewer samples do not tell how much a metric varies."""

_RESAMPLES = 1000
_FEWEST_FOR_INTERVAL = 100
_FEWEST_FOR_ERROR = 10
_SECONDS = 20.0
_LEVELS = (2.5, 97.5)


def bootstrap_intervals(
    metrics: Callable[[Indices], dict[str, float]], samples: int
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals (Efron and Tibshirani 1993, "An Introduction to the Bootstrap").

    Args:
        metrics: The metrics of chosen samples, of which each may be chosen several times.
        samples: Number of samples.

    Returns:
        The interval of each metric; none of a metric that is undefined in most resamples. A
        thousand resamples are drawn, or as many as 20 seconds allow. No intervals at all with fewer
        than `MIN_SAMPLES` samples, or where fewer than a hundred can be drawn.
    """
    intervals = {}
    for name, values in _resampled(metrics, samples, _FEWEST_FOR_INTERVAL).items():
        low, high = np.percentile(values, _LEVELS)
        intervals[name] = (float(low), float(high))
    return intervals


def bootstrap_standard_error(metric: Callable[[Indices], float], samples: int) -> float | None:
    """The standard deviation of a metric over resamples.

    Args:
        metric: The metric of chosen samples, of which each may be chosen several times.
        samples: Number of samples.

    Returns:
        None with fewer than `MIN_SAMPLES` samples, where fewer than ten resamples can be drawn in
        20 seconds, or where the metric is undefined in most of them.
    """
    drawn = _resampled(lambda chosen: {"": metric(chosen)}, samples, _FEWEST_FOR_ERROR)
    return float(np.std(drawn[""], ddof=1)) if drawn else None


def _resampled(
    metrics: Callable[[Indices], dict[str, float]], samples: int, fewest: int
) -> dict[str, list[float]]:
    """The metrics of resamples; empty where fewer can be drawn."""
    if samples < MIN_SAMPLES:
        return {}
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {}
    start = time.perf_counter()
    count = 0
    while count < _RESAMPLES and time.perf_counter() - start < _SECONDS:
        for name, value in metrics(rng.integers(samples, size=samples)).items():
            if math.isfinite(value):
                drawn.setdefault(name, []).append(value)
        count += 1
    if count < fewest:
        return {}
    return {name: values for name, values in drawn.items() if len(values) > count / 2}
