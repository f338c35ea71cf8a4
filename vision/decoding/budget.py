"""The memory that all threads of a process share for decoding images."""

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from visus.vision.errors import VisusError


class MemoryShortageError(VisusError):
    """There is not enough memory to decode an image, which itself may be intact."""


class MemoryBudget:
    """A number of bytes of which threads reserve parts, in the order in which they ask.

    A part larger than the whole budget waits until no other is reserved, so that large images are
    decoded one at a time, and never refused.

    Args:
        size: The budget in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._large: AbstractContextManager[object] = nullcontext()
        self.reset()

    def reset(self) -> None:
        """Forget all reservations, as a forked process must: its parent's threads hold them."""
        self._held = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def divide(self, processes: int, lock: AbstractContextManager[object]) -> None:
        """Take a part of the budget, where several processes share it.

        Args:
            processes: Number of processes.
            lock: A lock of all of them, held for a part that is larger than that of a process.
        """
        self.size //= processes
        self._large = lock

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Reserve bytes, waiting until enough are free.

        Reservations must not be nested, as two threads could wait for each other.

        Args:
            size: Number of bytes.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._fits(size))
                self._held += size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            with self._large if size > self.size else nullcontext():
                yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self.size


DECODING = MemoryBudget(2**30)
"""What decoding may use in this process, without the images that it returns.

The worker processes of a loader share it.
"""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DECODING.reset)
