"""Work ahead in threads: decode the next frame while a network looks, look at several at once."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE = 0.1


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
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


def parallel_map(
    work: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Iterator[Result]:
    """What `work` makes of each item, in the items' order.

    An error is raised here in its turn.

    Args:
        work: Lets go of Python's lock for most of its time, as networks do.
        items: What is worked on.
        lanes: How many at once, each in a thread of its own; with 1 the work is done here, and no
            item is taken before the result of the one before was used.
    """
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="lane") as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                # More than lanes: they go on while a result is used, and while one that is done
                # waits for its turn.
                if len(begun) > workers + 1:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
