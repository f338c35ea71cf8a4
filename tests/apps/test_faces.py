"""Face recognition through the command line: galleries, cameras, the exported bundle."""

import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from apps.faces.gallery import Calibration
from apps.faces.qdrant_gallery import QdrantGallery
from apps.faces.sqlite_gallery import SqliteGallery
from vision.errors import VisusError

ENROLL = ["faces", "enroll", "--gallery", "g.db", "--consent", "public domain"]


def write_clip(path, image, frames=12):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 320))
    for i in range(frames):
        moved = np.roll(cv2.resize(image, (320, 320)), i, axis=1)
        writer.write(moved[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def pictures(workplace):
    """Pictures of a face, of none, of two, and of faces that cannot be used."""
    face = np.ascontiguousarray(astronaut()[:300, 80:380])
    small = cv2.resize(face, (75, 75), interpolation=cv2.INTER_AREA)
    drawn = {
        "a.png": face,
        "lighter.png": (face * 0.7 + 60).astype(np.uint8),
        "none.png": np.full((200, 200, 3), 120, np.uint8),
        "black.png": np.zeros((200, 200, 3), np.uint8),
        "two.png": np.concatenate([face, face], axis=1),
        "small.png": cv2.copyMakeBorder(small, 60, 60, 60, 60, cv2.BORDER_REPLICATE),
        "ten.png": cv2.resize(face, (30, 30), interpolation=cv2.INTER_AREA),
        "blurred.png": cv2.GaussianBlur(face, (0, 0), 5),
        "over.png": np.ascontiguousarray(face[::-1]),
        "border.png": np.ascontiguousarray(face[:, :130]),
    }
    for name, image in drawn.items():
        Image.fromarray(image).save(name)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(face)))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save("exif.jpg", exif=exif, quality=95)
    return workplace


def test_enrolled_people_are_named_and_forgotten(visus, pictures):
    code, out, err = visus(*ENROLL, "--name", "Eileen", "a.png", "exif.jpg")
    assert code == 0, err
    assert "2 faces enrolled; threshold 0.9" in out and "false-accept rate 0.001" in out
    code, out, _ = visus("faces", "identify", "lighter.png", "--gallery", "g.db")
    assert code == 0 and "lighter.png: Eileen " in out
    code, out, _ = visus("faces", "list", "--gallery", "g.db")
    assert "Eileen: 2 faces" in out and "consent: public domain" in out and "1 people" in out
    code, out, _ = visus("faces", "verify", "lighter.png", "--name", "Eileen", "--gallery", "g.db")
    assert code == 0 and "same person: similarity " in out
    assert visus("faces", "verify", "a.png", "lighter.png")[0] == 0
    code, out, _ = visus("infer", "faces", "two.png", "--gallery", "g.db", "--jsonl", "-")
    faces = json.loads(out)["faces"]
    assert [face["name"] for face in faces] == ["Eileen", "Eileen"]
    assert {"box", "landmarks", "score", "name", "similarity"} == set(faces[0])
    code, out, _ = visus("faces", "forget", "Eileen", "--gallery", "g.db")
    assert code == 0 and "2 faces removed" in out
    assert b"Eileen" not in b"".join(path.read_bytes() for path in Path().glob("g.db*"))
    code, out, _ = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 0 and "a.png: unknown" in out
    code, _, err = visus("faces", "forget", "Eileen", "--gallery", "g.db")
    assert code == 2 and "'Eileen' is not in g.db" in err


def test_pictures_that_cannot_be_enrolled_are_named_and_the_others_count(visus, pictures):
    for name, words in (
        ("none.png", "shows no face"),
        ("black.png", "shows no face"),
        ("ten.png", "shows no face"),
        ("over.png", "upright"),
        ("two.png", "shows 2 faces"),
        ("small.png", "too small"),
        ("blurred.png", "too blurred"),
        ("missing.png", "missing.png"),
    ):
        code, _, err = visus(*ENROLL, "--name", "X", name)
        assert code == 2 and words in err and name in err, (name, err)
        assert "nothing was enrolled" in err
    code, out, err = visus(*ENROLL, "--name", "X", "none.png", "a.png")
    assert code == 3 and "1 faces enrolled" in out and "none.png" in err
    code, _, err = visus(*ENROLL, "--name", "X", "a.png")
    assert code == 2 and "enrolled already; pass --add" in err
    code, out, _ = visus(*ENROLL, "--name", "Y", "a.png")
    assert code == 0 and "looks like X" in out
    code, _, err = visus("faces", "enroll", "--gallery", "g.db", "--name", "Z", "a.png")
    assert code == 2 and "--consent" in err
    code, out, _ = visus("infer", "faces", "small.png", "--jsonl", "-", "--embeddings")
    (face,) = json.loads(out)["faces"]
    assert "too small" in face["problem"] and "embedding" not in face
    code, out, _ = visus("infer", "faces", "border.png", "--jsonl", "-")
    assert code == 0


def test_a_folder_called_as_the_model_does_not_hide_it(visus, pictures):
    (pictures / "faces").mkdir()
    assert visus("faces", "verify", "a.png", "lighter.png")[0] == 0


def test_embeddings_are_told_where_asked_for(visus, pictures):
    code, out, _ = visus("infer", "faces", "a.png", "--jsonl", "-", "--embeddings")
    (face,) = json.loads(out)["faces"]
    assert code == 0 and np.linalg.norm(face["embedding"]) == pytest.approx(1, abs=1e-4)
    code, _, err = visus("infer", "imagenet", "a.png", "--embeddings")
    assert code == 2 and "does classification" in err


def test_a_camera_enrols_and_verifies(visus, pictures):
    clip = write_clip(pictures / "clip.mp4", np.asarray(Image.open("a.png")), 40)
    code, out, err = visus(*ENROLL, "--name", "Eileen", "--camera", clip)
    assert code == 0, err
    assert "5 faces enrolled" in out
    verify = ["faces", "verify", "--gallery", "g.db", "--name", "Eileen", "--camera"]
    code, out, _ = visus(*verify, clip)
    assert code == 0 and "same person" in out
    empty = write_clip(pictures / "empty.mp4", np.full((99, 99, 3), 90, np.uint8))
    code, out, _ = visus(*verify, empty)
    assert code == 1 and "no match held for 5 frames" in out
    code, _, err = visus(*verify[:4], "--name", "Nobody", "--camera", clip)
    assert code == 2 and "'Nobody' is not in g.db" in err
    code, out, err = visus("live", "faces", clip, "--gallery", "g.db", "--video", "named.mp4")
    assert code == 0 and Path("named.mp4").stat().st_size > 0, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "a.png"], "verify compares 2 pictures"),
        (["verify", "--camera", "0"], "needs --name"),
        (["verify"], "give pictures, or --camera"),
        (["verify", "a.png", "--name", "X"], "needs --gallery"),
        (["identify", "a.png", "--gallery", "none.db"], "there is no such file"),
        (["identify", "a.png", "--gallery", "a.png"], "damaged or no gallery"),
        (["list", "--gallery", "g.db", "--model", "imagenet"], "no face recognition"),
        (["list"], "--gallery"),
    ],
)
def test_wrong_arguments_are_told(visus, pictures, arguments, words):
    code, _, err = visus("faces", *arguments)
    assert code == 2 and words in err


def unit(seed, numbers=128):
    vector = np.random.default_rng(seed).normal(size=numbers).astype(np.float32)
    return vector / np.linalg.norm(vector)


def fill(gallery, name, seed, add=False):
    gallery.enrol(name, unit(seed)[None], "in writing", [], add)


def test_the_file_is_its_owners_alone(tmp_path):
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    fill(gallery, "Ann", 0)
    for path in tmp_path.glob("g.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_other_models_and_newer_versions_are_refused_unharmed(tmp_path):
    path = tmp_path / "g.db"
    gallery = SqliteGallery(path, "model-a")
    fill(gallery, "Ann", 0)
    gallery.close()
    with pytest.raises(VisusError, match=r"another model .*reembed"):
        SqliteGallery(path, "model-b")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = '2' WHERE key = 'format'")
    with pytest.raises(VisusError, match=r"version 2, this visus knows 1; update visus"):
        SqliteGallery(path, "model-a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET value = '1' WHERE key = 'format'")
    assert [person.name for person in SqliteGallery(path, "model-a").people()] == ["Ann"]
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(VisusError, match="a database, but no gallery"):
        SqliteGallery(tmp_path / "other.db", "m")


def test_a_damaged_file_is_told(tmp_path):
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


def test_a_locked_gallery_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("apps.faces.sqlite_gallery._WAIT_SECONDS", 0.1)
    gallery = SqliteGallery(tmp_path / "g.db", "m")
    other = sqlite3.connect(tmp_path / "g.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(VisusError, match="locked"):
        fill(gallery, "Ann", 0)
    other.execute("ROLLBACK")
    fill(gallery, "Ann", 0)


def test_forgetting_leaves_no_byte(tmp_path):
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


def test_a_reader_that_holds_the_journal_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr("apps.faces.sqlite_gallery._WAIT_SECONDS", 0.1)
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
from apps.faces.sqlite_gallery import SqliteGallery
gallery = SqliteGallery(Path("g.db"), "m")
for i in range(100000):
    v = np.zeros(128, np.float32); v[i % 128] = 1
    gallery.enrol(f"P{i}", v[None], "c", [], False)
    print(i, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(workplace):
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


def test_four_writers_and_four_readers_lose_nothing(tmp_path):
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


def test_another_process_sees_who_was_enrolled_meanwhile(tmp_path):
    first, second = (SqliteGallery(tmp_path / "g.db", "m") for _ in range(2))
    assert first.nearest(unit(5)) is None
    fill(second, "Ann", 5)
    assert first.nearest(unit(5))[0] == "Ann"
    second.calibrate(Calibration(0.8, 1e-4))
    assert first.calibration == Calibration(0.8, 1e-4)


def test_crops_renew_embeddings_and_bare_faces_say_so(visus, pictures):
    assert visus(*ENROLL, "--name", "Eileen", "a.png", "--keep-crops")[0] == 0
    with sqlite3.connect("g.db") as connection:
        connection.execute("UPDATE facts SET value = 'old' WHERE key = 'model'")
        connection.execute("UPDATE faces SET embedding = ?", (unit(0).tobytes(),))
    code, _, err = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 2 and "reembed" in err
    code, out, err = visus("faces", "reembed", "--gallery", "g.db")
    assert code == 0 and "1 faces embedded anew" in out, err
    code, out, _ = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 0 and "Eileen 1.00" in out
    assert visus(*ENROLL, "--name", "Bare", "a.png")[0] == 0
    code, _, err = visus("faces", "reembed", "--gallery", "g.db")
    assert code == 2 and "no crops were kept of Bare" in err


def test_calibration_sets_the_gallerys_threshold(visus, pictures):
    face = np.asarray(Image.open("a.png"))
    for i in range(5):
        for j in range(2):
            path = Path(f"people/P{i}/P{i}_{j + 1:04d}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            shifted = np.roll(face, (i, 2 * j), axis=(0, 2)).astype(np.float32)
            look = (shifted * (1 - 0.1 * i)).clip(0, 255)
            Image.fromarray(look.astype(np.uint8)).save(path)
    rows = [f"P{i} 1 2" for i in range(4)] + [f"P{i} 1 P{i + 1} 2" for i in range(4)]
    Path("pairs.txt").write_text("\n".join(["1 4", *rows]))
    calibrate = ["faces", "calibrate", "--gallery", "g.db", "--pairs", "pairs.txt"]
    code, _, err = visus(*calibrate, "--images", "people")
    assert code == 2 and "too few to measure it" in err
    code, out, err = visus(*calibrate, "--images", "people", "--far", "0.5")
    assert code == 0 and "false-accept rate 0.5" in out, err
    code, out, _ = visus("faces", "list", "--gallery", "g.db")
    assert "false-accept rate 0.5" in out
    assert visus(*calibrate, "--images", "people", "--far", "2")[0] == 2


def test_the_same_gallery_on_qdrant():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    gallery = QdrantGallery(client, "faces", "m", 128)
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
    assert QdrantGallery(client, "faces", "m", 128).calibration == Calibration(0.7, 1e-3)
    assert gallery.forget("Ann") == 2
    assert gallery.nearest(unit(1))[0] == "Bob"
    with pytest.raises(VisusError, match="'Ann' is not in"):
        gallery.forget("Ann")
    with pytest.raises(VisusError, match="another model"):
        QdrantGallery(client, "faces", "other", 128)


def closure(requirements):
    """The distributions that these need, by name."""
    wanted, found = [*requirements], {}
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop())[0].replace(
            "opencv-python-headless", "opencv-python"
        )
        if name.lower() in found:
            continue
        found[name.lower()] = distribution(name)
        needs = found[name.lower()].requires or []
        wanted += [need for need in needs if "extra ==" not in need]
    return found.values()


def test_the_bundle_runs_with_its_requirements_alone(visus, pictures):
    code, out, err = visus("export", "faces", "--output", "bundle")
    assert code == 0, err
    assert "onnxruntime" in out and "embeddings by" in out
    requirements = Path("bundle/requirements-edge.txt").read_text().splitlines()
    assert not any(name in " ".join(requirements) for name in ("torch", "timm", "lightning"))
    site = pictures / "site"
    site.mkdir()
    for package in closure(line.partition("==")[0] for line in requirements):
        tops = {Path(str(file)).parts[0] for file in package.files or []}
        for top in tops - {"..", "bin", "__pycache__"}:
            source = Path(str(package.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    assert not (site / "torch").exists()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(site)
    # Away from where visus is installed, and without this environment's packages.
    run = [sys.executable, "-S", "-P", str(pictures / "bundle" / "run.py")]

    def edge(*arguments):
        done = subprocess.run(
            [*run, *map(str, arguments)], env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    more = ["--gallery", "e.db", "--runtime", "onnxruntime"]
    code, out, err = edge("enroll", "--name", "Eileen", "--consent", "public", "a.png", *more)
    assert code == 0, err
    code, out, err = edge("identify", "lighter.png", *more)
    assert code == 0 and "lighter.png: Eileen " in out, err
    # The exported model's embeddings are those of the model itself.
    code, out, err = visus("faces", "identify", "a.png", "--gallery", "e.db")
    assert code == 0 and "Eileen 1.00" in out, err
    code, out, err = visus("infer", "bundle", "a.png")
    assert code == 0 and "a face" in out, err
    shutil.copy("a.png", "bundle/output.onnx")
    code, _, err = visus("infer", "bundle", "a.png")
    assert code == 2 and "output.onnx: cannot be loaded" in err
    code, _, err = visus("export", "faces", "--output", "f.onnx")
    assert code == 2 and "name a folder" in err
    code, _, err = visus("export", "faces", "--output", ".")
    assert code == 2 and "holds other files" in err


def test_a_trained_network_recognises_too(visus, pictures):
    from tests.conftest import save_people

    save_people(pictures / "people", 6, 2)
    code, _, err = visus(
        *("fit", "--config", "face_recognition/custom", "--data.root", "people"),
        *("--data.align", "false", "--model.backbone", "test_resnet", "--data.num_workers", "0"),
        *("--model.pretrained", "false", "--trainer.max_epochs", "1", "--data.batch_size", "8"),
        *("--data.val_share", "0.3"),
    )
    assert code == 0, err
    assert visus(*ENROLL, "--name", "Eileen", "a.png", "--model", "latest")[0] == 0
    code, out, err = visus("infer", "latest", "a.png", "--gallery", "g.db")
    assert code == 0 and "Eileen 1.00" in out, err
    code, _, err = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 2 and "another model" in err


def test_ready_made_networks_are_measured_by_their_name(visus, pictures):
    code, _, err = visus("test", "coco")
    assert code == 2 and "no configuration measures it" in err
    started = time.monotonic()
    code, _, err = visus("test", "faces")
    assert code == 2 and "--data.root" in err and time.monotonic() - started < 60
