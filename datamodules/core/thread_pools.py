"""Threads that have ended before loading processes are forked."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import get_native_id

_THREADS = Path("/proc/self/task")
"""The threads of this process, on Linux; on other systems loading processes are not forked."""

_LONGEST = 5.0
"""Seconds to wait for the end of threads."""


@contextmanager
def thread_pool(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that have ended when it is left.

    For Python a thread has ended a little sooner than for the system: while OpenCV frees what it
    holds for the thread, it holds a lock, for which a process that is forked then would wait
    forever.

    Args:
        workers: Number of threads; by default that of `ThreadPoolExecutor`.
    """
    numbers: list[int] = []
    with ThreadPoolExecutor(workers, initializer=lambda: numbers.append(get_native_id())) as pool:
        yield pool
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end and any((_THREADS / str(each)).exists() for each in numbers):
        time.sleep(0.0005)
