"""Face recognition through the command line: images, cameras, training."""

import json
import os
import sqlite3
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.conftest import PATIENCE, save_people
from tests.reporting import check_report, shorten

TINY = ["--data.root", "people", "--data.align", "false", "--data.batch_size", "8",
        "--data.num_workers", "0", "--data.val_share", "0.3", "--model.backbone", "test_resnet",
        "--model.pretrained", "false", "--trainer.max_epochs", "1"]  # fmt: skip
MANY = ["--gallery", "g.db", "--consent", "yes"]
ENROLL = ["faces", "enroll", "--gallery", "g.db", "--consent", "public domain"]


def write_clip(path, image, frames=12):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 320))
    for i in range(frames):
        moved = np.roll(cv2.resize(image, (320, 320)), i, axis=1)
        writer.write(moved[..., ::-1])
    writer.release()
    return path


def test_enrolled_people_are_named_and_forgotten(visus, images):
    code, out, err = visus(*ENROLL, "--name", "Eileen", "a.png", "exif.jpg")
    assert code == 0, err
    assert "2 faces enrolled; threshold 0.9" in out and "false-accept rate 0.001" in out
    identify = ["faces", "identify", "lighter.png", "--gallery", "g.db"]
    code, out, _ = visus(*identify)
    assert code == 0 and "lighter.png: Eileen " in out
    code, out, _ = visus(*identify, "--threshold", "1")
    assert "threshold 1, not calibrated" in out and "unknown (nearest Eileen 0.9" in out
    code, out, _ = visus(*identify, "--threshold", "1", "--jsonl", "-")
    (face,) = json.loads(out)["faces"]
    assert face["name"] is None and face["nearest"] == "Eileen" and face["similarity"] < 1
    code, out, _ = visus("faces", "verify", "a.png", "lighter.png", "--threshold", "1")
    assert code == 1 and "different people" in out
    code, out, _ = visus("faces", "list", "--gallery", "g.db")
    assert "Eileen: 2 faces" in out and "consent: public domain" in out and "1 person;" in out
    code, out, _ = visus("faces", "verify", "lighter.png", "--name", "Eileen", "--gallery", "g.db")
    assert code == 0 and "same person: similarity " in out
    assert visus("faces", "verify", "a.png", "lighter.png")[0] == 0
    code, out, _ = visus("predict", "faces", "two.png", "--gallery", "g.db", "--jsonl", "-")
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


def test_images_that_cannot_be_enrolled_are_named_and_the_others_count(visus, images):
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
        assert not Path("g.db").exists()
    code, out, err = visus(*ENROLL, "--name", "X", "none.png", "a.png")
    assert code == 3 and "1 face enrolled" in out and "none.png" in err
    code, _, err = visus(*ENROLL, "--name", "X", "a.png")
    assert code == 2 and "enrolled already; pass --add" in err
    code, out, _ = visus(*ENROLL, "--name", "Y", "a.png")
    assert code == 0 and "matches X, who is enrolled" in out
    code, _, err = visus("faces", "enroll", "--gallery", "g.db", "--name", "Z", "a.png")
    assert code == 2 and "--consent" in err
    name = os.fsdecode(b"Jos\xe9")
    new = ["faces", "enroll", "--gallery", "n.db", "--consent", "yes", "--name", name, "a.png"]
    code, _, err = visus(*new)
    assert code == 2 and "is not UTF-8" in err and not Path("n.db").exists()
    code, out, _ = visus("predict", "faces", "small.png", "--jsonl", "-", "--embeddings")
    (face,) = json.loads(out)["faces"]
    assert "too small" in face["problem"] and "embedding" not in face
    code, out, _ = visus("predict", "faces", "border.png", "--jsonl", "-")
    assert code == 0


def test_many_people_are_enrolled_from_a_folder(visus, images):
    for name, sources in (
        ("Eileen", ("a.png", "lighter.png", "none.png")),
        ("Nobody", ("black.png",)),
        (".trash", ("a.png",)),
    ):
        folder = images / "people" / name
        folder.mkdir(parents=True)
        for source in sources:
            (folder / source).write_bytes((images / source).read_bytes())
    (images / "people" / "Empty").mkdir()
    (images / "people" / "alone.png").write_bytes((images / "a.png").read_bytes())
    (images / "people" / "pairs.txt").write_text("10 3\n")
    many = ["faces", "enroll", *MANY, "--from", "people"]
    code, out, err = visus(*many)
    assert code == 3 and "Eileen: 2 faces enrolled\n1 person enrolled; threshold 0.929" in out
    assert f"{Path('people/Empty')}: holds no images" in err
    assert f"{Path('people/alone.png')}: is in no person's folder" in err and "pairs" not in err
    assert "none.png: shows no face" in err and "nothing was enrolled for 'Nobody'" in err
    code, out, err = visus(*many)
    assert "'Eileen' is enrolled already; pass --add" in err and "0 people enrolled" in out
    code, out, _ = visus(*many, "--add")
    assert "Eileen: 2 faces enrolled" in out
    code, out, _ = visus("faces", "list", "--gallery", "g.db")
    assert "Eileen: 4 faces" in out and "1 person;" in out


def test_a_face_too_small_to_be_anyones_does_not_hide_the_real_one(visus, images):
    face = np.asarray(Image.open("a.png"))
    small = np.asarray(Image.open("small.png"))
    beside = np.zeros((300, small.shape[1], 3), np.uint8)
    beside[: small.shape[0]] = small[:300]
    Image.fromarray(np.concatenate([face, beside], axis=1)).save("both.png")
    code, out, err = visus("predict", "faces", "both.png")
    assert code == 0, err
    assert "both.png: a face 1.00; left out: too small: " in out
    code, out, err = visus(*ENROLL, "--name", "Eileen", "both.png")
    assert code == 0 and "1 face enrolled" in out, err


def test_a_folder_of_the_models_name_does_not_hide_it(visus, images):
    (images / "faces").mkdir()
    assert visus("faces", "verify", "a.png", "lighter.png")[0] == 0


def test_embeddings_are_included_on_request(visus, images):
    code, out, _ = visus("predict", "faces", "a.png", "--jsonl", "-", "--embeddings")
    (face,) = json.loads(out)["faces"]
    assert code == 0 and np.linalg.norm(face["embedding"]) == pytest.approx(1, abs=1e-4)
    code, _, err = visus("predict", "imagenet", "a.png", "--embeddings")
    assert code == 2 and "--embeddings belongs to face_recognition" in err
    assert "'imagenet' is a classification model" in err


def test_a_camera_enrols_and_verifies(visus, images):
    clip = write_clip(images / "clip.mp4", np.asarray(Image.open("a.png")), 40)
    code, out, err = visus(*ENROLL, "--name", "Eileen", "--camera", clip)
    assert code == 0, err
    assert "5 faces enrolled" in out
    verify = ["faces", "verify", "--gallery", "g.db", "--name", "Eileen", "--camera"]
    code, out, _ = visus(*verify, clip)
    assert code == 0 and "same person" in out
    empty = write_clip(images / "empty.mp4", np.full((99, 99, 3), 90, np.uint8))
    code, out, _ = visus(*verify, empty)
    assert code == 1 and "no match in 5 consecutive frames" in out
    code, _, err = visus(*verify[:4], "--name", "Nobody", "--camera", clip)
    assert code == 2 and "'Nobody' is not in g.db" in err
    code, out, err = visus("live", "faces", clip, "--gallery", "g.db", "--video", "named.mp4")
    assert code == 0 and Path("named.mp4").stat().st_size > 0, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "a.png"], "verify compares 2 images"),
        (["verify", "--camera", "0"], "needs --name"),
        (["verify"], "give images, or --camera"),
        (["verify", "a.png", "--name", "X"], "needs --gallery"),
        (["identify", "a.png", "--gallery", "none.db"], "there is no such file"),
        (["identify", "a.png", "--gallery", "a.png"], "damaged or no gallery"),
        (["identify", "a.png", "--gallery", "g.db", "--model", "imagenet"], "a classification"),
        (["list"], "--gallery"),
        (["enroll", "--gallery", "g.db", "--consent", "yes", "a.png"], "--name: give"),
        (["enroll", *MANY, "--from", "none"], "there is no such folder"),
        (["enroll", *MANY, "--from", "."], "no folder in it holds images"),
        (["enroll", *MANY, "--from", ".", "a.png"], "give nothing beside it"),
        (["identify", "a.png", "--gallery", "g.db", "--threshold", "2"], "between -1 and 1"),
    ],
)
def test_wrong_arguments_are_refused(visus, images, arguments, words):
    code, _, err = visus("faces", *arguments)
    assert code == 2 and words in err


def test_stored_crops_are_embedded_again_and_missing_ones_named(visus, images):
    assert visus(*ENROLL, "--name", "Eileen", "a.png", "--keep-crops")[0] == 0
    with sqlite3.connect("g.db") as connection:
        connection.execute("UPDATE facts SET value = 'old' WHERE key = 'model'")
        other = np.eye(1, 128, dtype=np.float32).tobytes()
        connection.execute("UPDATE faces SET embedding = ?", (other,))
    code, _, err = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 2 and "reembed" in err
    code, out, err = visus("faces", "reembed", "--gallery", "g.db")
    assert code == 0 and "1 face embedded again" in out, err
    code, out, _ = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 0 and "Eileen 1.00" in out
    assert visus(*ENROLL, "--name", "Bare", "a.png")[0] == 0
    code, _, err = visus("faces", "reembed", "--gallery", "g.db")
    assert code == 2 and "no crops are stored of Bare" in err


def test_calibration_sets_the_gallerys_threshold(visus, images):
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
    code, out, err = visus(*ENROLL, "--name", "Eileen", "a.png")
    assert code == 0 and "false-accept rate 0.5" in out, err
    # Neither the gallery nor an image is overwritten by what is found in it.
    for kept in ("g.db", "a.png"):
        content = Path(kept).read_bytes()
        code, _, err = visus("faces", "identify", "a.png", "--gallery", "g.db", "--jsonl", kept)
        assert code == 2 and f"{kept}: would be overwritten" in err, err
        assert Path(kept).read_bytes() == content


def test_a_trained_network_recognises_faces(visus, images):
    save_people(images / "people", 6, 2)
    code, _, err = visus("fit", "--config", "face_recognition/custom", *TINY)
    assert code == 0, err
    assert visus(*ENROLL, "--name", "Eileen", "a.png", "--model", "latest")[0] == 0
    code, out, err = visus("predict", "latest", "a.png", "--gallery", "g.db")
    assert code == 0 and "Eileen 1.00" in out, err
    code, _, err = visus("faces", "identify", "a.png", "--gallery", "g.db")
    assert code == 2 and "another model" in err


def test_two_processes_measure_as_one_does(same_by_two_processes, visus, workplace):
    save_people(workplace / "people", 7, 3)
    code, _, err = visus("fit", "--config", "face_recognition/custom", *TINY)
    assert code == 0, err
    same_by_two_processes("latest")


def test_ready_made_networks_are_measured_by_their_name(visus, images):
    code, _, err = visus("test", "coco")
    assert code == 2 and "no configuration measures it" in err
    started = time.monotonic()
    code, _, err = visus("test", "faces")
    assert code == 2 and "data.root" in err and time.monotonic() - started < PATIENCE


def test_a_report_explains_and_attacks_pairs(visus, workplace, monkeypatch):
    shorten(monkeypatch)
    save_people(workplace / "people", 6, 4)
    code, _, err = visus("fit", "--config", "face_recognition/custom", *TINY)
    assert code == 0, err
    numbers, page = check_report(visus, "latest")
    assert set(numbers["quality"]["metrics"]) >= {"verification_accuracy", "eer"}
    assert "pairs" in numbers["quality"] and "ROC" in page
    (name,) = numbers["explanations"]["explained"][0]["maps"]
    assert name.startswith("occlusion: like ")
    attacks = numbers["robustness"]["attacks"]
    assert {each["goal"] for each in attacks} == {"not recognised", "taken for another person"}
    assert all(0 <= each["success"] <= 1 and each["metric"] is None for each in attacks)
