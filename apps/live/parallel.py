"""Several items processed at once, in threads, with their results in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Iterator[Result]:
    """Apply a function to each item, several at once, and return the results in order.

    An error is raised here, in the item's position.

    Args:
        function: Releases Python's lock for most of its time, as networks do.
        items: Its arguments.
        workers: Number of threads; with 1 no thread is used, and no item is taken before the
            previous result was used.
    """
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # More than workers, which continue while a result is used, or waits for its turn.
                if len(pending) > workers + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
