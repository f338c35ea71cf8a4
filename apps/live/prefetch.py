"""Prefetching: a thread produces the next item while the current one is used."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_POLL_SECONDS = 0.1


def prefetch(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items in the same order, the next one produced while the current one is used.

    An error in the thread is raised here, in the item's position. The thread ends with the items,
    or when this iterator is closed.

    Args:
        items: An iterator that releases Python's lock while it works, as OpenCV does.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(1)
    closed = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put((item, error), timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
            put(None, StopIteration())
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        closed.set()
        thread.join()
