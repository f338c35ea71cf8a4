from pathlib import Path

import numpy as np
import pytest

from visus.datamodules.action.files import Clip
from visus.datamodules.action.windows import Sampling, evaluation_windows


def clip(seconds, start=0.0):
    end = start + seconds
    return Clip(Path("a.mp4"), ("jump",), "", "", start, end, last=end - 0.04)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.5, 1), (2.0, 1), (2.15, 1), (2.5, 2), (4.0, 2), (9.0, 5)]
)
def test_windows_cover_a_clip(seconds, count):
    sampling = Sampling(8, 2.0)
    windows = evaluation_windows([clip(seconds, 3.0)], sampling)
    assert len(windows) == count
    starts = [sampling.times(window)[0] for window in windows]
    assert starts[0] == 3.0
    for window in windows:
        times = np.diff(sampling.times(window))
        assert seconds < 2 or np.allclose(times, 0.25)
    if count > 1:
        assert np.isclose(starts[-1] + 2.0, 3.0 + seconds, atol=0.13)
        assert max(np.diff(starts)) <= 2.0


def test_random_windows_lie_in_the_clip_and_reach_all_of_it():
    sampling = Sampling(4, 2.0)
    long = clip(10.0, 5.0)
    size = sampling.grid_size(long)
    rng = np.random.default_rng(0)
    windows = [sampling.random_window(size, rng) for _ in range(2000)]
    assert {index for window in windows for index in window} == set(range(size))
    for window in windows:
        assert window == sorted(window) and window[-1] - window[0] < sampling.span
    times = [sampling.time(long, index) for window in windows for index in window]
    assert min(times) == 5.0 and max(times) <= long.last


def test_a_short_clip_repeats_its_last_frame():
    sampling = Sampling(4, 2.0)
    short = clip(0.6)
    (window,) = evaluation_windows([short], sampling)
    assert sampling.times(window) == [0.0, 0.5, short.last, short.last]
