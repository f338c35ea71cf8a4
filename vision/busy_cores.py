"""How many threads to use while other processes need the cores, too."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from visus.vision.cores import usable_cores

_INTERVAL = 1.0
"""Seconds between two readings."""

_PROC = Path("/proc")


class AdaptiveThreads:
    """Uses one thread less for each core that other processes keep busy.

    The threads of a parallel computation wait for the slowest one, and one that shares its core
    delays all: on two cores beside one busy process a single thread is several times faster than
    two (`benchmarks/busy_machine.py`). Results differ in rounding with the number of threads, so
    that this is for predictions and for trainings that the clock decides.

    Nothing changes where the user has set `OMP_NUM_THREADS`, in a container with a quota, and on
    systems without `/proc/stat`.

    Args:
        set_threads: Sets the number of threads of the thread that calls `update`.
    """

    def __init__(self, set_threads: Callable[[int], object]) -> None:
        self._set_threads = set_threads
        self._cores = usable_cores()
        self._last: tuple[float, float] | None = None
        self._threads = self._cores
        self._enabled = self._cores > 1 and "OMP_NUM_THREADS" not in os.environ
        self._next = 0.0

    def update(self) -> None:
        """Read how busy the cores were since the last reading, at most once a second."""
        moment = time.monotonic()
        if not self._enabled or moment < self._next:
            return
        self._next = moment + _INTERVAL
        others = self._seconds_of_others()
        if others is None:
            self._enabled = False
            return
        last, self._last = self._last, (moment, others)
        if last is None:
            return
        busy = (others - last[1]) / (moment - last[0])
        threads = max(1, self._cores - round(busy))
        if threads != self._threads:
            self._threads = threads
            self._set_threads(threads)

    def _seconds_of_others(self) -> float | None:
        """CPU seconds of the allowed cores that this process and its children did not use."""
        try:
            lines = (_PROC / "stat").read_text().splitlines()
            allowed = {f"cpu{core}" for core in os.sched_getaffinity(0)}
            own = _process_ticks("self")
            children = (_PROC / "self/task" / str(os.getpid()) / "children").read_text().split()
        except (OSError, AttributeError, ValueError):
            return None
        busy = 0
        for line in lines:
            name, *values = line.split()
            if name in allowed:
                user, nice, system, _, _, irq, soft, steal = map(int, values[:8])
                busy += user + nice + system + irq + soft + steal
        for child in children:
            try:
                own += _process_ticks(child)
            except (OSError, ValueError):
                # It has ended, and its time is in that of this process.
                continue
        return float(busy - own) / os.sysconf("SC_CLK_TCK")


def _process_ticks(process: str) -> int:
    """Clock ticks of a process and of its children that have ended."""
    # The name in parentheses may contain spaces.
    fields = (_PROC / process / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))
