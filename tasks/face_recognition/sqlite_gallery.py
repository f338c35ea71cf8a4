"""A gallery in one SQLite file: durable enrolment, deletion that overwrites the data."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from visus.tasks.face_recognition.gallery import (
    Calibration,
    Embeddings,
    Person,
    normal_name,
    person_name,
)
from visus.tasks.face_recognition.gallery_file import (
    TABLES,
    Run,
    create_private,
    harden,
    parse_calibration,
    refuse_other_contents,
    refuse_other_file,
    restrict_to_owner,
    to_bytes,
    to_embeddings,
)
from visus.tasks.face_recognition.similarity_search import SimilarityIndex
from visus.vision.errors import VisusError

FORMAT = 1
_WAIT_SECONDS = 10.0


class SqliteGallery:
    """A gallery in one SQLite file that only its owner may read; see `Gallery`.

    Args:
        path: The file; created where it does not exist.
        model: Fingerprint of the model that computes the embeddings; None to open an existing file
            with those of any model, to list, forget or replace them.

    Raises:
        VisusError: If the file is not a gallery, damaged, of a newer version, of another model, or
            locked for long.
    """

    def __init__(self, path: Path, model: str | None) -> None:
        self.path = path
        self._model = model
        self._using = threading.RLock()
        self._index: tuple[tuple[int, int], SimilarityIndex, list[str]] | None = None
        create_private(path)
        with self._as_user_error():
            refuse_other_file(path)
            restrict_to_owner(path)
            # The server predicts in several threads, one of which uses it at a time.
            self._connection = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            harden(self._connection)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # A committed enrolment survives a loss of power too.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.create_function("normal", 1, normal_name, deterministic=True)
            self._create_or_check(model)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """See `Gallery.enrol`."""
        name = person_name(name)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as run:
            self._refuse_other_model()
            people = self._ids(name)
            if people and not add:
                raise VisusError(
                    f"{name!r} is enrolled already; pass --add for more faces, or forget them first"
                )
            if people:
                person: int | None = people[0]
                run("UPDATE people SET consent = ? WHERE id = ?", (consent, person))
            else:
                new = "INSERT INTO people (name, consent, enrolled) VALUES (?, ?, ?)"
                person = run(new, (name, consent, now)).lastrowid
            for i, embedding in enumerate(embeddings):
                run(
                    "INSERT INTO faces (person, embedding, crop) VALUES (?, ?, ?)",
                    (person, to_bytes(embedding), crops[i] if crops else None),
                )

    def forget(self, name: str) -> int:
        """See `Gallery.forget`."""
        with self._transaction() as run:
            count = 0
            for person in self._known(name):
                count += run("DELETE FROM faces WHERE person = ?", (person,)).rowcount
                run("DELETE FROM people WHERE id = ?", (person,))
        self._index = None
        with self._as_user_error():
            # Deleted rows remain in the journal until it is written back and truncated.
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise VisusError(
                f"{self.path}: {name!r} is removed, but another process reads the gallery and its "
                "journal still holds the faces; end that process, then run any command that opens "
                "the gallery"
            )
        return count

    def people(self) -> list[Person]:
        """See `Gallery.people`."""
        with self._as_user_error():
            rows = self._connection.execute(
                "SELECT name, consent, enrolled, (SELECT COUNT(*) FROM faces WHERE person = p.id) "
                "FROM people AS p ORDER BY name"
            ).fetchall()
        return [Person(*row) for row in rows]

    def load(self, size: int) -> None:
        """See `Gallery.load`."""
        self._load_index(size)

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """See `Gallery.nearest`."""
        index, names = self._load_index(embedding.size)
        if not names:
            return None
        best, similarity = index.nearest(embedding)
        return names[best], similarity

    def candidates(self, embedding: Embeddings, count: int) -> list[tuple[str, float]]:
        """See `Gallery.candidates`."""
        index, names = self._load_index(embedding.size)
        best: dict[str, float] = {}
        if len(index):
            similarities = index.similarities(embedding)
            for i in (-similarities).argsort(kind="stable"):
                best.setdefault(names[i], float(similarities[i]))
                if len(best) == count:
                    break
        return list(best.items())

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """See `Gallery.similarity`."""
        with self._as_user_error():
            self._refuse_other_model()
            run, query = self._connection.execute, "SELECT embedding FROM faces WHERE person = ?"
            rows = [row for person in self._known(name) for row in run(query, (person,))]
        vectors = to_embeddings([row[0] for row in rows], embedding.size, self.path)
        return float((vectors @ embedding).max())

    @property
    def calibration(self) -> Calibration | None:
        """See `Gallery.calibration`."""
        return parse_calibration(self._values(), self.path)

    def calibrate(self, calibration: Calibration) -> None:
        """See `Gallery.calibrate`."""
        with self._transaction() as run:
            self._refuse_other_model()
            for key, value in (("threshold", calibration.threshold), ("far", calibration.far)):
                run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, str(value)))

    def crops(self) -> list[tuple[int, str, bytes | None]]:
        """Id, name of the person, and aligned image as PNG, where stored, of each face."""
        with self._as_user_error():
            return self._connection.execute(
                "SELECT faces.id, name, crop FROM faces JOIN people ON person = people.id"
            ).fetchall()

    def replace_embeddings(self, model: str, embeddings: dict[int, Embeddings]) -> None:
        """Replace all embeddings by another model's, and remove the threshold.

        Args:
            model: Fingerprint of the other model.
            embeddings: The embedding of every face, by its id.

        Raises:
            VisusError: If a face is missing, because the gallery has changed in the meantime.
        """
        with self._transaction() as run:
            ids = {row[0] for row in run("SELECT id FROM faces")}
            if ids != set(embeddings):
                raise VisusError(
                    f"{self.path}: has changed in the meantime; run visus faces reembed again"
                )
            for face, embedding in embeddings.items():
                run("UPDATE faces SET embedding = ? WHERE id = ?", (to_bytes(embedding), face))
            run("UPDATE facts SET value = ? WHERE key = 'model'", (model,))
            run("DELETE FROM facts WHERE key IN ('threshold', 'far')")
        self._index = None

    def _create_or_check(self, model: str | None) -> None:
        """Create the tables in an empty file; otherwise check format and model."""
        with self._transaction() as run:
            if model and not run("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                for statement in TABLES.values():
                    run(statement)
                run("INSERT INTO facts VALUES ('format', ?)", (str(FORMAT),))
                run("INSERT INTO facts VALUES ('model', ?)", (model,))
            refuse_other_contents(self._connection, self.path)
            if model and not run("SELECT COUNT(*) FROM faces").fetchone()[0]:
                # Nothing of another model is in it, unless a threshold.
                run(
                    "UPDATE facts SET value = ? WHERE key = 'model' AND NOT EXISTS "
                    "(SELECT * FROM facts WHERE key = 'threshold')",
                    (model,),
                )
        values = self._values()
        if values.get("format") != str(FORMAT):
            raise VisusError(
                f"{self.path}: is a gallery of version {values.get('format')}, this visus reads "
                f"{FORMAT}; update visus"
            )
        self._refuse_other_model()

    def _refuse_other_model(self) -> None:
        stored = str(self._values().get("model"))
        if self._model is not None and stored != self._model:
            raise VisusError(
                f"{self.path}: holds embeddings of another model ({stored[:12]}, not "
                f"{self._model[:12]}), which cannot be compared; use that model, or run visus "
                "faces reembed if crops are stored"
            )

    def _values(self) -> dict[str, str]:
        with self._as_user_error():
            return dict(self._connection.execute("SELECT key, value FROM facts").fetchall())

    def _ids(self, name: str) -> list[int]:
        """The person of a name; several if it was stored before names were normalised."""
        rows = self._connection.execute(
            "SELECT id FROM people WHERE normal(name) = ? ORDER BY id", (person_name(name),)
        )
        return [int(row[0]) for row in rows]

    def _known(self, name: str) -> list[int]:
        if ids := self._ids(name):
            return ids
        raise VisusError(f"{name!r} is not in {self.path}; visus faces list lists all people")

    def _load_index(self, size: int) -> tuple[SimilarityIndex, list[str]]:
        """All embeddings and their people's names, read again when the file has changed."""
        with self._as_user_error():
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            own = self._connection.total_changes
            if self._index is None or self._index[0] != (version, own):
                self._refuse_other_model()
                rows = self._connection.execute(
                    "SELECT name, embedding FROM faces JOIN people ON person = people.id"
                ).fetchall()
                matrix = to_embeddings([row[1] for row in rows], size, self.path)
                self._index = ((version, own), SimilarityIndex(matrix), [row[0] for row in rows])
        return self._index[1], self._index[2]

    @contextmanager
    def _transaction(self) -> Iterator[Run]:
        """A transaction that is durable when it ends, and rolled back after an error."""
        with self._as_user_error():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                # After some errors, such as a full disk, SQLite has done so already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _as_user_error(self) -> Iterator[None]:
        """One thread at a time; errors of SQLite become errors with a remedy."""
        try:
            with self._using:
                yield
        except sqlite3.ProgrammingError:
            # A mistake of ours says nothing about the file.
            raise
        except sqlite3.OperationalError as error:
            raise VisusError(
                f"{self.path}: cannot be used ({error}); check its permissions, the disk, and "
                "whether another process locks it"
            ) from None
        except sqlite3.DatabaseError as error:
            raise VisusError(
                f"{self.path}: is damaged or no gallery ({error}); restore a copy, or choose "
                "another file"
            ) from None
