"""Being asked to stop: by Ctrl+C in a terminal, by SIGTERM from a script or a service manager."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def until_stopped() -> Iterator[None]:
    """Leave the block quietly when asked to stop, so that what comes after it can finish files."""
    if threading.current_thread() is not threading.main_thread():
        # Signals reach the main thread alone.
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
