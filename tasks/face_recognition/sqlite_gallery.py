"""A gallery in one SQLite file: enrolled is safe, forgotten leaves no trace."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration, Embeddings, Person
from visus.tasks.face_recognition.similarity_search import SimilarityIndex
from visus.vision.errors import VisusError

FORMAT = 1
_WAIT_SECONDS = 10.0


class SqliteGallery:
    """A gallery in one SQLite file, which nobody but its owner may read.

    Args:
        path: The file; made where there is none.
        model: Fingerprint of the model whose embeddings it holds.
        renew: Open it although it holds another model's embeddings, to replace them.

    Raises:
        VisusError: If the file is no gallery, damaged, of a newer version, of another model, or
            locked for long.
    """

    def __init__(self, path: Path, model: str, renew: bool = False) -> None:
        self.path = path
        self._index: tuple[tuple[int, int], SimilarityIndex, list[str]] | None = None
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its journals the rights of the file itself.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with self._told_as_user_error():
            self._connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA journal_mode = WAL")
            # An acknowledged enrolment survives a loss of power too.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._prepare(model, renew)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """See `Gallery.enrol`."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._writing() as run:
            found = run("SELECT id FROM people WHERE name = ?", (name,)).fetchone()
            if found and not add:
                raise VisusError(
                    f"{name!r} is enrolled already; pass --add for more faces, or forget them first"
                )
            if found:
                person = found[0]
                run("UPDATE people SET consent = ? WHERE id = ?", (consent, person))
            else:
                person = run(
                    "INSERT INTO people (name, consent, enrolled) VALUES (?, ?, ?)",
                    (name, consent, now),
                ).lastrowid
            for i, embedding in enumerate(embeddings):
                run(
                    "INSERT INTO faces (person, embedding, crop) VALUES (?, ?, ?)",
                    (person, _to_bytes(embedding), crops[i] if crops else None),
                )

    def forget(self, name: str) -> int:
        """See `Gallery.forget`."""
        with self._writing() as run:
            person = self._person(name)
            count: int = run("DELETE FROM faces WHERE person = ?", (person,)).rowcount
            run("DELETE FROM people WHERE id = ?", (person,))
        self._index = None
        with self._told_as_user_error():
            # What was deleted still lies in the journal until that is written back and emptied.
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise VisusError(
                f"{self.path}: {name!r} is removed, but another process reads the gallery and its "
                "journal still holds the faces; close that process and run forget again, or any "
                "command that opens the gallery last"
            )
        return count

    def people(self) -> list[Person]:
        """See `Gallery.people`."""
        with self._told_as_user_error():
            rows = self._connection.execute(
                "SELECT name, consent, enrolled, (SELECT COUNT(*) FROM faces WHERE person = p.id) "
                "FROM people AS p ORDER BY name"
            ).fetchall()
        return [Person(*row) for row in rows]

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """See `Gallery.nearest`."""
        index, names = self._loaded()
        if not len(index):
            return None
        best, similarity = index.nearest(embedding)
        return names[best], similarity

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """See `Gallery.similarity`."""
        with self._told_as_user_error():
            rows = self._connection.execute(
                "SELECT embedding FROM faces WHERE person = ?", (self._person(name),)
            ).fetchall()
        return max(float(_from_bytes(row[0]) @ embedding) for row in rows)

    @property
    def calibration(self) -> Calibration | None:
        """See `Gallery.calibration`."""
        found = self._facts()
        if "threshold" not in found:
            return None
        return Calibration(float(found["threshold"]), float(found["far"]))

    def calibrate(self, calibration: Calibration) -> None:
        """See `Gallery.calibrate`."""
        facts = {"threshold": calibration.threshold, "far": calibration.far}
        with self._writing() as run:
            for key, value in facts.items():
                run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, str(value)))

    def crops(self) -> list[tuple[int, str, bytes | None]]:
        """Of every face its number, its person and its aligned image as PNG, where kept."""
        with self._told_as_user_error():
            return self._connection.execute(
                "SELECT faces.id, name, crop FROM faces JOIN people ON person = people.id"
            ).fetchall()

    def replace_embeddings(self, model: str, embeddings: dict[int, Embeddings]) -> None:
        """Take another model's embeddings for all faces; the old threshold goes with the old model.

        Args:
            model: Its fingerprint.
            embeddings: By the face's number, of every face.

        Raises:
            VisusError: If a face is missing, as when somebody was enrolled meanwhile.
        """
        with self._writing() as run:
            numbers = {row[0] for row in run("SELECT id FROM faces")}
            if numbers != set(embeddings):
                raise VisusError(f"{self.path}: changed meanwhile; run reembed again")
            for number, embedding in embeddings.items():
                run("UPDATE faces SET embedding = ? WHERE id = ?", (_to_bytes(embedding), number))
            run("UPDATE facts SET value = ? WHERE key = 'model'", (model,))
            run("DELETE FROM facts WHERE key IN ('threshold', 'far')")
        self._index = None

    def _prepare(self, model: str, renew: bool) -> None:
        """Make the tables where there are none; otherwise check whose they are."""
        with self._writing() as run:
            tables = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                run("CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
                run(
                    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
                    "consent TEXT NOT NULL, enrolled TEXT NOT NULL)"
                )
                run(
                    "CREATE TABLE faces (id INTEGER PRIMARY KEY, person INTEGER NOT NULL "
                    "REFERENCES people (id), embedding BLOB NOT NULL, crop BLOB)"
                )
                run("INSERT INTO facts VALUES ('format', ?)", (str(FORMAT),))
                run("INSERT INTO facts VALUES ('model', ?)", (model,))
            elif not {"facts", "people", "faces"} <= tables:
                raise VisusError(f"{self.path}: is a database, but no gallery; name another file")
        facts = self._facts()
        if facts.get("format") != str(FORMAT):
            raise VisusError(
                f"{self.path}: is a gallery of version {facts.get('format')}, this visus knows "
                f"{FORMAT}; update visus"
            )
        if facts["model"] != model and not renew:
            raise VisusError(
                f"{self.path}: holds embeddings of another model ({facts['model'][:12]}, not "
                f"{model[:12]}), which cannot be compared; use that model, or run visus faces "
                "reembed where crops were kept"
            )

    def _facts(self) -> dict[str, str]:
        with self._told_as_user_error():
            return dict(self._connection.execute("SELECT key, value FROM facts").fetchall())

    def _person(self, name: str) -> int:
        found = self._connection.execute("SELECT id FROM people WHERE name = ?", (name,)).fetchone()
        if not found:
            raise VisusError(f"{name!r} is not in {self.path}; visus faces list tells who is")
        return int(found[0])

    def _loaded(self) -> tuple[SimilarityIndex, list[str]]:
        """All embeddings in memory, read again when the file has changed."""
        with self._told_as_user_error():
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            own = self._connection.total_changes
            if self._index is None or self._index[0] != (version, own):
                rows = self._connection.execute(
                    "SELECT name, embedding FROM faces JOIN people ON person = people.id"
                ).fetchall()
                vectors = [_from_bytes(row[1]) for row in rows]
                matrix = np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)
                self._index = ((version, own), SimilarityIndex(matrix), [row[0] for row in rows])
        return self._index[1], self._index[2]

    @contextmanager
    def _writing(self) -> Iterator["Run"]:
        """A transaction that is on the disk when it ends, or has never been."""
        with self._told_as_user_error():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _told_as_user_error(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise VisusError(
                f"{self.path}: cannot be used ({error}); check its rights, the disk, and whether "
                "another process holds it"
            ) from None
        except sqlite3.DatabaseError as error:
            raise VisusError(
                f"{self.path}: is damaged or no gallery ({error}); restore a copy, or name another "
                "file"
            ) from None


class Run(Protocol):
    """Runs one SQL statement."""

    def __call__(self, statement: str, values: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Run it."""
        ...


def _to_bytes(embedding: Embeddings) -> bytes:
    return np.ascontiguousarray(embedding, "<f4").tobytes()


def _from_bytes(stored: bytes) -> Embeddings:
    return np.frombuffer(stored, "<f4").astype(np.float32)
