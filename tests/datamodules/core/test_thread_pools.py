"""Threads that have ended before a process is forked."""

import sys
from pathlib import Path
from threading import get_native_id

import cv2
import numpy as np
import pytest

from visus.datamodules.core.thread_pools import thread_pool


def resize(side):
    cv2.resize(np.zeros((64, 64, 3), np.uint8), (side, side))
    return get_native_id()


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_the_threads_of_a_pool_have_ended_for_the_system_too():
    """Of a `ThreadPoolExecutor` some still run, and may hold a lock of OpenCV's."""
    for _ in range(100):
        with thread_pool(4) as pool:
            numbers = set(pool.map(resize, range(32, 64)))
        assert not [each for each in numbers if Path(f"/proc/self/task/{each}").exists()]
