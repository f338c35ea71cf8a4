"""The access log: one line for each request."""

import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from visus.apps.live.serve.middleware import Exchange
from visus.vision.output_files import unwritable
from visus.vision.printable import printable


class AccessLog:
    """Writes time, client, method, path without its query, status and duration of each request.

    Args:
        target: A file, to which lines are appended, or `-` for standard error.

    Raises:
        VisusError: If it cannot be opened.
    """

    def __init__(self, target: str) -> None:
        self._file: IO[str] = sys.stderr
        if target != "-":
            try:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                self._file = open(target, "a", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise unwritable(f"--access-log {target}", error) from None

    def record(self, exchange: Exchange) -> None:
        """Write the line of a request."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        line = (
            f"{now} {exchange.client} {exchange.method} {exchange.path} {exchange.status} "
            f"{1000 * exchange.seconds:.1f} ms"
        )
        # Requests are answered on a full disk too.
        with suppress(OSError, ValueError):
            self._file.write(printable(line) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not sys.stderr:
            with suppress(OSError):
                self._file.close()
