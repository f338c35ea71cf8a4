"""Galleries in SQLite and Qdrant behind one interface."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from visus.tasks.face_recognition.gallery import Calibration
from visus.tasks.face_recognition.qdrant_gallery import QdrantGallery
from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
from visus.vision.errors import VisusError


def unit(seed, size=128):
    vector = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return vector / np.linalg.norm(vector)


def fill(gallery, name, seed, add=False):
    gallery.enrol(name, unit(seed)[None], "in writing", [], add)


def test_only_the_owner_may_read_the_file(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    fill(gallery, "Ann", 0)
    for path in tmp_path.glob("g.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_other_models_and_newer_versions_are_refused_and_left_unchanged(tmp_path):
    path = tmp_path / "g.db"
    gallery = SqliteGallery(path, "model-a")
    fill(gallery, "Ann", 0)
    gallery.close()
    with pytest.raises(VisusError, match=r"another model .*reembed"):
        SqliteGallery(path, "model-b")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = '2' WHERE key = 'format'")
    with pytest.raises(VisusError, match=r"version 2, this visus reads 1; update visus"):
        SqliteGallery(path, "model-a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = '1' WHERE key = 'format'")
    assert [person.name for person in SqliteGallery(path, "model-a").people()] == ["Ann"]
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(VisusError, match="a database, but no gallery"):
        SqliteGallery(tmp_path / "other.db", "m")


def test_a_damaged_file_is_reported(tmp_path):
    path = tmp_path / "g.db"
    gallery = SqliteGallery(path, "m")
    for i in range(50):
        fill(gallery, f"P{i}", i)
    gallery.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(VisusError, match="damaged or no gallery"):
        SqliteGallery(path, "m").people()


def test_a_locked_gallery_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("visus.tasks.face_recognition.sqlite_gallery._WAIT_SECONDS", 0.1)
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    other = sqlite3.connect(tmp_path / "g.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(VisusError, match="locked"):
        fill(gallery, "Ann", 0)
    other.execute("ROLLBACK")
    fill(gallery, "Ann", 0)


def test_forgetting_erases_every_byte(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    for i in range(40):
        gallery.enrol(f"Person {i}", unit(i)[None], f"note {i}", [b"CROP%d" % i * 40], False)
    for i in range(0, 40, 2):
        assert gallery.forget(f"Person {i}") == 1
    data = b"".join(path.read_bytes() for path in tmp_path.glob("g.db*"))
    for i in range(40):
        traces = [unit(i).tobytes(), b"CROP%d" % i * 40]
        assert all((trace in data) == bool(i % 2) for trace in traces), i
    assert b"Person 8" not in data and b"note 8" not in data
    assert gallery.nearest(unit(1)) == ("Person 1", pytest.approx(1, abs=1e-4))
    assert gallery.nearest(unit(2))[1] < 0.9


def test_a_reader_that_keeps_the_journal_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("visus.tasks.face_recognition.sqlite_gallery._WAIT_SECONDS", 0.1)
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    fill(gallery, "Ann", 0)
    reader = sqlite3.connect(tmp_path / "g.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM people").fetchall()
    with pytest.raises(VisusError, match="another process reads the gallery"):
        gallery.forget("Ann")
    assert not gallery.people()


KILLED = """
import sys, numpy as np
from pathlib import Path
from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
gallery = SqliteGallery(Path("g.db"), "m")
for i in range(100000):
    v = np.zeros(128, np.float32); v[i % 128] = 1
    gallery.enrol(f"P{i}", v[None], "c", [], False)
    print(i, flush=True)
"""


def test_acknowledged_enrolments_survive_a_kill(workplace):
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 20:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest and rest[-1].isdecimal() else acknowledged
    process.wait()
    names = {person.name for person in SqliteGallery(Path("g.db"), "m").people()}
    assert names >= {f"P{i}" for i in range(acknowledged)}


def test_concurrent_writers_and_readers_lose_nothing(tmp_path):
    path = tmp_path / "g.db"
    SqliteGallery(path, "m").close()
    errors = []

    def write(writer):
        try:
            gallery = SqliteGallery(path, "m")
            for i in range(10):
                fill(gallery, f"W{writer}-{i}", writer * 100 + i)
        except Exception as error:
            errors.append(error)

    def read():
        try:
            gallery = SqliteGallery(path, "m")
            seen = 0
            while not done.is_set():
                now = len(gallery.people())
                assert now >= seen
                seen = now
                gallery.nearest(unit(0))
        except Exception as error:
            errors.append(error)

    done = threading.Event()
    writers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    readers = [threading.Thread(target=read) for _ in range(4)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not errors
    gallery = SqliteGallery(path, "m")
    assert len(gallery.people()) == 40
    assert gallery.nearest(unit(203))[0] == "W2-3"


def test_another_connection_sees_later_enrolments(tmp_path):
    first, second = (SqliteGallery(tmp_path / "g.db", "m") for _ in range(2))
    assert first.nearest(unit(5)) is None
    fill(second, "Ann", 5)
    assert first.nearest(unit(5))[0] == "Ann"
    second.calibrate(Calibration(0.8, 1e-4))
    assert first.calibration == Calibration(0.8, 1e-4)


def test_candidates_are_people_by_their_most_similar_faces(tmp_path):
    from qdrant_client import QdrantClient

    for gallery in (
        SqliteGallery(tmp_path / "g.db", "m"),
        QdrantGallery(QdrantClient(":memory:"), "faces", ("m", 128)),
    ):
        assert gallery.candidates(unit(0), 3) == []
        for i in range(5):
            gallery.enrol(f"P{i}", np.stack([unit(i), unit(10 + i)]), "yes", [], False)
        ranked = gallery.candidates(unit(13), 3)
        assert len(ranked) == 3 and ranked[0] == ("P3", pytest.approx(1, abs=1e-4))
        for name, similarity in ranked:
            assert similarity == pytest.approx(gallery.similarity(name, unit(13)), abs=1e-3)
        everyone = [max(unit(i) @ unit(13), unit(10 + i) @ unit(13)) for i in range(5)]
        expected = sorted(everyone, reverse=True)[:3]
        assert [value for _, value in ranked] == pytest.approx(expected, abs=1e-3)
        gallery.forget("P3")
        assert len(gallery.candidates(unit(13), 9)) == 4


def test_a_qdrant_server_that_goes_away_is_one_line():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    gallery = QdrantGallery(client, "faces", ("m", 128))
    client.close()
    for call in (lambda: gallery.nearest(np.ones(128, np.float32)), gallery.people):
        with pytest.raises(VisusError, match="the Qdrant server does not answer, or refuses"):
            call()


def test_a_gallery_on_qdrant():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    gallery = QdrantGallery(client, "faces", ("m", 128))
    assert gallery.nearest(unit(0)) is None and gallery.people() == []
    gallery.enrol("Ann", np.stack([unit(0), unit(1)]), "in writing", [], False)
    gallery.enrol("Bob", unit(2)[None], "by mail", [], False)
    with pytest.raises(VisusError, match="enrolled already"):
        fill(gallery, "Bob", 3)
    fill(gallery, "Bob", 3, add=True)
    assert gallery.nearest(unit(1)) == ("Ann", pytest.approx(1, abs=1e-4))
    assert gallery.similarity("Bob", unit(3)) == pytest.approx(1, abs=1e-4)
    assert [(p.name, p.faces) for p in gallery.people()] == [("Ann", 2), ("Bob", 2)]
    assert gallery.calibration is None
    gallery.calibrate(Calibration(0.7, 1e-3))
    assert QdrantGallery(client, "faces", ("m", 128)).calibration == Calibration(0.7, 1e-3)
    # Earlier versions stored names as file systems list them, with decomposed accents.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "visus.tasks.face_recognition.qdrant_gallery.person_name",
            lambda name: unicodedata.normalize("NFD", name),
        )
        fill(gallery, "Jos\u00e9", 7)
    assert gallery.forget("Jos\u00e9") == 1
    assert gallery.forget("Ann") == 2
    assert gallery.nearest(unit(1))[0] == "Bob"
    with pytest.raises(VisusError, match="'Ann' is not in"):
        gallery.forget("Ann")
    with pytest.raises(VisusError, match="another model"):
        QdrantGallery(client, "faces", ("other", 128))


def test_several_threads_use_a_gallery_as_the_server_does(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    for i in range(20):
        fill(gallery, f"P{i}", i)

    def ask(i):
        if i % 10 == 0:
            fill(gallery, f"Q{i}", 100 + i)
        assert gallery.calibration is None
        return gallery.nearest(unit(i % 20))[0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(100))) == [f"P{i % 20}" for i in range(100)]
    assert len(gallery.people()) == 30


def test_a_file_that_is_no_gallery_is_left_unchanged(tmp_path):
    photo, other = tmp_path / "a.jpg", tmp_path / "other.db"
    photo.write_bytes(b"\xff\xd8 a photograph")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    for path in (photo, other):
        path.chmod(0o644)
        before = path.read_bytes()
        with pytest.raises(VisusError, match="no gallery"):
            SqliteGallery(path, "m")
        assert path.read_bytes() == before and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "other.db"}


def test_people_are_listed_and_forgotten_whatever_the_model(tmp_path):
    path = tmp_path / "g.db"
    fill(SqliteGallery(path, "model-a"), "Ann", 0)
    gallery = SqliteGallery(path, None)
    assert [person.name for person in gallery.people()] == ["Ann"]
    assert gallery.forget("Ann") == 1 and not gallery.people()
    gallery.close()
    # Nothing of the other model is left.
    fill(SqliteGallery(path, "model-b"), "Bob", 1)
    with pytest.raises(VisusError, match="another model"):
        SqliteGallery(path, "model-a")


def test_a_name_is_the_same_however_its_accents_are_encoded(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    fill(gallery, "Jose\u0301", 0)
    assert [person.name for person in gallery.people()] == ["Jos\u00e9"]
    with pytest.raises(VisusError, match="is enrolled already"):
        fill(gallery, "Jos\u00e9", 1)
    # As an earlier version stored it.
    with gallery._transaction() as run:
        run("UPDATE people SET name = ?", ("Jose\u0301",))
    fill(gallery, "Jos\u00e9", 1, add=True)
    assert gallery.similarity("Jos\u00e9", unit(1)) == pytest.approx(1, abs=1e-6)
    assert gallery.forget("Jos\u00e9") == 2
    for name in ("Jos\udce9", " "):
        with pytest.raises(VisusError, match=r"is not UTF-8|must not be empty"):
            fill(gallery, name, 0)


def test_a_full_disk_is_named(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    pages = gallery._connection.execute("PRAGMA page_count").fetchone()[0]
    gallery._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(VisusError, match="disk is full"):
        for i in range(100):
            gallery.enrol(f"P{i}", unit(i)[None], "in writing", [bytes(5000)], False)
    assert len(gallery.people()) < 100


def test_a_second_gallery_of_a_process_leaves_the_locks_of_the_first(tmp_path):
    path = tmp_path / "g.db"
    gallery = SqliteGallery(path, "m")
    fill(gallery, "Ann", 0)
    SqliteGallery(path, None).close()
    # Another process that opens and closes the file must not take it for unused.
    code = (
        "import sys; from pathlib import Path; "
        "from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery; "
        "SqliteGallery(Path(sys.argv[1]), None).close()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    fill(gallery, "Bob", 1)
    assert [person.name for person in SqliteGallery(path, "m").people()] == ["Ann", "Bob"]


def test_a_gallery_that_became_another_models_is_neither_searched_nor_changed(tmp_path):
    first = SqliteGallery(tmp_path / "g.db", "model-a")
    fill(SqliteGallery(tmp_path / "g.db", "model-b"), "Bob", 1)
    for use in (
        lambda: fill(first, "Cid", 2),
        lambda: first.nearest(unit(2)),
        lambda: first.similarity("Bob", unit(2)),
        lambda: first.calibrate(Calibration(0.4, 0.01)),
    ):
        with pytest.raises(VisusError, match="another model"):
            use()
