"""The standard streams of a command, where a disk is full or they are closed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from visus.vision.output_files import unwritable


class _Output:
    """A text stream whose failure is a user's error.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; a closed pipe is left to the caller.

        Raises:
            VisusError: If it cannot be written.
        """
        with self._failing():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, as `write` does."""
        with self._failing():
            self._stream.flush()

    def close(self) -> None:
        """Close nothing: a library's log handler may outlive the command, and close its stream."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable("standard output", error) from None


class _Messages(_Output):
    """A text stream for messages, which are lost where they cannot be written."""

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with suppress(OSError):
            yield


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Within this, a full disk is an error of standard output, and does not stop messages.

    Closed streams lead nowhere: the next file that is opened would take their descriptors, and
    receive what libraries print.
    """
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Output(sys.stdout or open(os.devnull, "w", encoding="utf-8")))
    sys.stderr = cast(TextIO, _Messages(sys.stderr or open(os.devnull, "w", encoding="utf-8")))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        # Python flushes them at its end, and would report what was reported or may be lost.
        if not _can_be_flushed(sys.stdout):
            sys.stdout = None
        if not _can_be_flushed(sys.stderr):
            sys.stderr = None


def _can_be_flushed(stream: TextIO | None) -> bool:
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        return False
    return True
