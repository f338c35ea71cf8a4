"""Stopping on request: Ctrl+C in a terminal, SIGTERM from a script or a service manager."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def delayed_stop() -> Iterator[None]:
    """Delay SIGINT and SIGTERM to the end of the block; a second one is not delayed.

    Raises:
        KeyboardInterrupt: At the end, if one was received.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def receive(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if received:
        raise KeyboardInterrupt


@contextmanager
def until_stopped() -> Iterator[None]:
    """Leave the block without an error at SIGINT or SIGTERM, so that open files can be finished."""
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
