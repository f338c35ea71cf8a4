"""Results of checks of files, kept on disk from one start to the next."""

import hashlib
import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import islice

from filelock import FileLock

from visus.models.weights_entry import cache_folder

_BATCH = 500
"""Files of one query; SQLite allows 999 in the versions that allow the fewest."""

_SETTLED = 2 * 10**9
"""Nanoseconds after which a file cannot change without another time: FAT counts in two seconds."""


class FileIndex:
    """Results of checks of files, found again by the path, size and times of each file.

    A result is returned while the file has the size and the times of change that it had when it
    was checked. Results of files that changed less than two seconds before are not stored, as
    they may change again within the resolution of the file system's clock.

    The results of all files of one folder are in one SQLite database, in `index` in the cache
    folder (`VISUS_CACHE`), readable by this user only. Several processes may use it at the same
    time. A damaged database is replaced by an empty one, and each entry has a checksum. Where it
    cannot be written, a warning is printed, and the files are checked again at the next start.

    Args:
        paths: All files that it is used for; the database is that of their common folder.
        version: Describes the checks; results of another version are ignored.
    """

    def __init__(self, paths: Sequence[str], version: str) -> None:
        folder = _common_folder(paths)
        # Entries have paths relative to the folder.
        self._start = len(os.path.join(folder, ""))
        self._seed = zlib.crc32(version.encode())
        name = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()
        self._file = cache_folder() / "index" / f"{name[:32]}.sqlite"
        self._usable = True
        self._connection: sqlite3.Connection | None = None
        with self._tolerant():
            if self._file.exists():
                self._connection = self._connect()

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait while another process checks files of this folder; its results can be read then."""
        with ExitStack() as stack:
            with self._tolerant():
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                stack.enter_context(FileLock(self._file.with_suffix(".lock"), mode=0o600))
                if self._connection is None and self._file.exists():
                    self._connection = self._connect()
            yield

    def read(self, paths: Iterable[str]) -> Iterator[str | None]:
        """Yield the result of each file; None for one that has none, or has changed since."""
        remaining = iter(paths)
        while batch := list(islice(remaining, _BATCH)):
            keys = [self._key(path) for path in batch]
            entries = self._select(keys)
            for path, key in zip(batch, keys, strict=True):
                entry = entries.get(key)
                yield None if entry is None else self._result(key, entry, file_state(path))

    def write(self, results: Iterable[tuple[str, str, str]]) -> None:
        """Store results.

        Args:
            results: The path of each file; its `file_state` from before it was checked, without
                which it is left out; and the result, as ASCII text.
        """
        rows = []
        for path, state, result in results:
            key = self._key(path)
            if state:
                rows.append((key, self._entry(key, f"{state} {result}".encode("ascii"))))
        if not rows or not self._usable:
            return
        with self._tolerant():
            if self._connection is None:
                self._connection = self._connect()
            with self._connection:
                self._connection.executemany("REPLACE INTO files VALUES (?, ?)", rows)

    def _key(self, path: str) -> bytes:
        return os.fsencode(path[self._start :])

    def _entry(self, key: bytes, content: bytes) -> bytes:
        return b"%08x %s" % (zlib.crc32(content, zlib.crc32(key, self._seed)), content)

    def _result(self, key: bytes, entry: object, state: str) -> str | None:
        """The result in an entry, if the entry is intact and of the file as it is now."""
        if not state or not isinstance(entry, bytes):
            return None
        content = entry[9:]
        given = f"{state} ".encode("ascii")
        if not content.startswith(given) or entry != self._entry(key, content):
            return None
        return content[len(given) :].decode("ascii")

    def _select(self, keys: list[bytes]) -> dict[bytes, object]:
        with self._tolerant():
            if self._connection is not None:
                marks = ",".join("?" * len(keys))
                query = f"SELECT path, entry FROM files WHERE path IN ({marks})"
                return dict(self._connection.execute(query, keys).fetchall())
        return {}

    def _connect(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created here, as the files that SQLite adds have the permissions of this one.
        os.close(os.open(self._file, os.O_CREAT | os.O_RDONLY, 0o600))
        connection = sqlite3.connect(self._file)
        # What a power failure damages is checked again.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, entry BLOB) WITHOUT ROWID"
        )
        return connection

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Continue without results where the database cannot be used, and replace a damaged one."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            self._give_up(error)
        except sqlite3.DatabaseError:
            self.close()
            try:
                for ending in ("", "-journal"):
                    self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
                self._connection = self._connect()
            except (OSError, sqlite3.Error) as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.close()
        self._usable = False
        _warn(
            f"{self._file}: the results of checks cannot be kept ({error}), so that all files are "
            "checked at every start; check the permissions and the disk, or set VISUS_CACHE"
        )


def file_state(path: str) -> str:
    """Size and times of a file, which differ after a change; empty if a change may be hidden.

    The time of the last change of its permissions, names or content is among them: programs can
    set the time of modification, but not that one.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    changed, renamed = status.st_mtime_ns, status.st_ctime_ns
    if max(changed, renamed) > time.time_ns() - _SETTLED:
        return ""
    return f"{status.st_size} {changed} {renamed}"


def _common_folder(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    # What the first and the last path in alphabetical order begin with, all begin with.
    return os.path.dirname(os.path.commonprefix([min(paths), max(paths)]))  # noqa: RUF071


@cache
def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
