"""The processes that run the trials of a study."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from visus.apps.live.stopping import until_stopped

_GRACE = 20.0
"""Seconds in which a process that was told to stop may end."""

_POLL = 0.5


@dataclass
class Workers:
    """Processes that run the trials of a study.

    Attributes:
        folder: Of the study.
        count: Number of processes.
        seconds: For how long they run trials.
        gpus: The GPUs of which each process uses one; empty where each may use all.
        failed: A line on each process that ended with an error, by its number.
    """

    folder: Path
    count: int
    seconds: float
    gpus: Sequence[str] = ()
    failed: dict[int, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, finished: Callable[[], None]) -> bool:
        """Run trials until the time is over, or a signal arrives.

        Args:
            finished: Called several times a second, and at the end.

        Returns:
            Whether no signal arrived.
        """
        ended = False
        with until_stopped():
            try:
                self._start()
                end = time.monotonic() + self.seconds
                while self._watch() and time.monotonic() < end:
                    finished()
                    time.sleep(_POLL)
                ended = True
            finally:
                self._stop()
        finished()
        return ended

    def _start(self) -> None:
        # The clock of all processes: importing torch takes seconds of their time.
        end = time.time() + self.seconds
        for index in range(self.count):
            command = [sys.executable, "-m", "visus.apps.tuning.worker", str(self.folder)]
            command += [str(index), str(end)]
            with open(self._log(index), "ab") as log:
                self._running.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=worker_environment(index, self.gpus),
                        # Ctrl+C goes to this process, which stops the others.
                        start_new_session=os.name != "nt",
                    )
                )

    def _log(self, index: int) -> Path:
        return self.folder / f"process-{index}.log"

    def _watch(self) -> bool:
        """Whether a process goes on; those that ended with an error are noted."""
        for index, process in enumerate(self._running):
            code = process.poll()
            if code:
                how = f"ended with exit code {code}"
                if code < 0:
                    how = f"was ended by {signal.Signals(-code).name}"
                if code == -9:
                    how += ", as the system does when memory runs out"
                self.failed[index] = f"process {index} {how}; see {self._log(index)}"
        return any(process.returncode is None for process in self._running)

    def _stop(self) -> None:
        for each in self._running:
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        end = time.monotonic() + _GRACE
        for each in self._running:
            try:
                each.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    count = torch.cuda.device_count()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(number) for number in range(count)] if chosen is None else chosen.split(",")[:count]


def worker_environment(index: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment variables of a process: of several GPUs it sees one.

    Args:
        index: Number of the process.
        gpus: See `Workers.gpus`.
    """
    environment = dict(os.environ)
    if len(gpus) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
    return environment
