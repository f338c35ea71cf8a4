"""A file that grows by whole blocks: one that does not fit leaves no trace."""

from pathlib import Path


class AppendedFile:
    """A new file that is written block by block, without a buffer.

    Args:
        path: The file; an existing one is emptied.

    Attributes:
        seekable: Whether written bytes can be changed; those of a pipe cannot.

    Raises:
        OSError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.seekable = self._file.seekable()
        self._end = 0

    def append(self, block: bytes) -> int:
        """Append a block; returns the offset at which it begins.

        Raises:
            OSError: If it cannot be written; what was written of it is removed.
        """
        start = self._end
        try:
            self._write(block)
        except OSError:
            if self.seekable:
                self._file.truncate(start)
            raise
        self._end += len(block)
        return start

    def overwrite(self, offset: int, block: bytes) -> None:
        """Replace bytes that were written before.

        Raises:
            OSError: If they cannot be written.
        """
        self._file.seek(offset)
        self._write(block)
        self._file.seek(self._end)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) :]
