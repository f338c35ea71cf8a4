"""What a process that loads samples does when it starts."""

import gc
import multiprocessing
import signal
import sys
from types import TracebackType

import cv2

from visus.vision.decoding.budget import DECODING


class LoadingProcess:
    """Prepares a worker process of a loader.

    Args:
        workers: Number of worker processes, which share the memory for decoding.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.lock = multiprocessing.Lock() if workers else None

    def __call__(self, worker: int) -> None:
        """Called in each worker process when it starts."""
        assert self.lock is not None
        # A garbage collection would write to all objects of the main process, and so copy them.
        gc.freeze()
        DECODING.divide(self.workers, self.lock)
        # A forked process would wait for threads that it lacks.
        cv2.setNumThreads(0)
        _leave_signals_to_the_main_process()
        sys.excepthook = _report_unless_disconnected


def _leave_signals_to_the_main_process() -> None:
    """Load on after a signal to the process group, as the main process finishes its batch.

    A second SIGTERM ends this process: so does PyTorch with one that hangs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _report_unless_disconnected(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Report an error, unless it is that the main process ended while it was sent a batch.

    A thread of `multiprocessing` that passes batches on reports its errors here. That the main
    process ended is its own message.
    """
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, traceback)
