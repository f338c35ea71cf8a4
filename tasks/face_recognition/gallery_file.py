"""The file of a SQLite gallery: its tables and permissions, and checks of one from elsewhere."""

import math
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration, Embeddings
from visus.vision.errors import VisusError

TABLES = {
    "facts": "CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "people": (
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
        "consent TEXT NOT NULL, enrolled TEXT NOT NULL)"
    ),
    "faces": (
        "CREATE TABLE faces (id INTEGER PRIMARY KEY, person INTEGER NOT NULL "
        "REFERENCES people (id), embedding BLOB NOT NULL, crop BLOB)"
    ),
}
"""The statement that creates each table."""

_LONGEST = 16_000_000
"""Bytes of the longest value that is read."""

_TOLERANCE = 0.01
"""Of the length of an embedding, which is 1; models on small processors round."""


class Run(Protocol):
    """Executes one SQL statement."""

    def __call__(self, statement: str, values: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Execute it; returns its cursor."""
        ...


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read, unless it exists."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite creates its journals with the permissions of the file itself.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def restrict_to_owner(path: Path) -> None:
    """Let only the owner read and write a gallery and its journals.

    A file of another user is left as it is.
    """
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError, PermissionError):
            if os.name == "posix" and each.stat().st_mode & 0o077:
                each.chmod(0o600)


def refuse_other_file(path: Path) -> None:
    """Refuse a file that is no gallery, before anything in it or in its permissions changes.

    SQLite alone opens the file: to close it in another way would end the locks of all connections
    of this process (https://www.sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        VisusError: If it is a database of something else.
        sqlite3.DatabaseError: If it is no database, or cannot be opened.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    try:
        # It has no tables if the process that created it was killed.
        if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            refuse_other_contents(connection, path)
    finally:
        connection.close()


def harden(connection: sqlite3.Connection) -> None:
    """Erase what is deleted, and protect from what a file from elsewhere may hold."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    # Views and triggers call no functions.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)


def refuse_other_contents(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database with other tables than a gallery's, or with views, triggers or indices.

    Raises:
        VisusError: Naming the first of them.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    # SQLite's own indices have no statement.
    found = {name: (kind, sql) for kind, name, sql in rows if sql is not None}
    if not TABLES.keys() <= found.keys():
        raise VisusError(f"{path}: is a database, but no gallery; choose another file")
    for name, (kind, sql) in found.items():
        if sql != TABLES.get(name):
            raise VisusError(
                f"{path}: refused, its {kind} {name!r} is not one of visus; use a copy that visus "
                "wrote"
            )
    wrong = "SELECT COUNT(*) FROM people WHERE typeof(name) || typeof(consent) || typeof(enrolled)"
    if connection.execute(f"{wrong} != 'texttexttext'").fetchone()[0]:
        raise VisusError(f"{path}: damaged, a person's name is not text; restore a copy")


def parse_calibration(values: Mapping[str, str], path: Path) -> Calibration | None:
    """The threshold of a gallery.

    Args:
        values: The gallery's facts.
        path: The file, for the error.

    Raises:
        VisusError: If it is not a similarity, or the rate is not a fraction.
    """
    if "threshold" not in values:
        return None
    try:
        threshold = float(values["threshold"])
        far = None if values["far"] == "None" else float(values["far"])
    except (KeyError, TypeError, ValueError):
        threshold = far = math.nan
    if not -1 <= threshold <= 1 or not (far is None or 0 <= far <= 1):
        raise VisusError(
            f"{path}: damaged, its threshold {values['threshold']!r} is not a number from -1 to "
            "1; calibrate again with visus faces calibrate"
        )
    return Calibration(threshold, far)


def to_bytes(embedding: Embeddings) -> bytes:
    """An embedding as it is stored."""
    return np.ascontiguousarray(embedding, "<f4").tobytes()


def to_embeddings(stored: Sequence[Any], size: int, path: Path) -> Embeddings:
    """The embeddings of stored values, shape (N, size).

    Args:
        stored: What the database holds.
        size: The number of elements of each.
        path: The file, for the error.

    Raises:
        VisusError: If one has another size, or is not a vector of unit length.
    """
    if not all(isinstance(each, bytes) and len(each) == 4 * size for each in stored):
        raise VisusError(f"{path}: damaged, a face has no embedding of {size} elements")
    vectors = np.frombuffer(b"".join(stored), "<f4").astype(np.float32).reshape(-1, size)
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    if not (np.abs(lengths - 1) <= _TOLERANCE).all():
        raise VisusError(f"{path}: damaged, the embedding of a face is not of unit length")
    return vectors
