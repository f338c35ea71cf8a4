"""Create many objects without a garbage collection."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Suspend Python's garbage collector, which visits all objects again as their number grows.

    It finds no garbage in a list of a million new objects, and takes longer than their creation.
    Memory of objects that do not refer to each other in circles is freed all the same.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
