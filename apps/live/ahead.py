"""Work a step ahead, in a thread: decoding the next frame while a network looks at this one."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")

_PATIENCE = 0.1


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order, the next one made by a thread while this one is used.

    An error of the thread is raised here in its turn. The thread ends with the items, or when
    nobody asks for more.

    Args:
        items: Whose making lets go of Python's lock, as OpenCV does.
    """
    made: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(1)
    enough = threading.Event()

    def hand_on(item: Item | None, error: BaseException | None) -> bool:
        while not enough.is_set():
            try:
                made.put((item, error), timeout=_PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not hand_on(item, None):
                    return
            hand_on(None, StopIteration())
        except BaseException as error:
            hand_on(None, error)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        enough.set()
        thread.join()
