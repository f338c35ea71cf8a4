"""Several items processed at once, in threads, with their results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_WAITING_BYTES = 2**27
"""Bytes of results that are made before they are used."""


def parallel_map(
    function: Callable[[Item], Result],
    items: Iterator[Item],
    workers: int,
    size_of: Callable[[Result], int] | None = None,
) -> Generator[Result, None, None]:
    """Apply a function to each item, several at once, and return the results in order.

    An error is raised here, in the item's position.

    Args:
        function: Releases Python's lock for most of its time, as networks do.
        items: Its arguments.
        workers: Number of threads; with 1 no thread is used, and no item is taken before the
            previous result was used.
        size_of: Number of bytes of a result. Where results are large, fewer wait: as many as fit
            into `_WAITING_BYTES`, by the size of the last one that was used.
    """
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            # More than workers, which continue while a result is used, or waits for its turn.
            most = workers + 1
            for item in items:
                pending.append(pool.submit(function, item))
                while len(pending) > most:
                    result = pending.popleft().result()
                    yield result
                    if size_of is not None:
                        most = min(workers + 1, _WAITING_BYTES // max(1, size_of(result)))
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
