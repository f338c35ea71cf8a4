"""A full disk: one line that names the output, and the earlier file is unchanged."""

import json
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reliability import canaries
from tests.reliability.canaries import FIXTURES
from tests.reliability.counts import SOAK
from visus.vision.output_files import replacing
from visus.vision.scenes import make_scene

CLASSIFIER = FIXTURES / "classification.onnx"
GALLERY = ("--gallery", "g.db", "--model", FIXTURES / "face_recognition.ckpt")


@contextmanager
def no_file_beyond(size):
    """Writing fails as on a full disk, at this size of a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def images(workplace):
    """A photograph, and a folder of scenes."""
    canaries.portrait(Path("a.png"))
    for i in range(40):
        path = Path("images") / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make_scene(i, (64, 96)).image).save(path)


OUTPUTS = {
    "o.jsonl": ("predict", CLASSIFIER, "images", "--jsonl", "o.jsonl"),
    "drawn/a.jpg": ("predict", CLASSIFIER, "a.png", "--draw", "drawn"),
    "o.mp4": ("live", CLASSIFIER, "images", "--video", "o.mp4"),
    "o.webm": ("live", CLASSIFIER, "images", "--video", "o.webm"),
    "masks/a.png": ("predict", FIXTURES / "segmentation.ckpt", "a.png", "--masks", "masks"),
    "m.onnx": ("export", FIXTURES / "classification.ckpt", "--output", "m.onnx"),
    "bundle": ("export", FIXTURES / "face_recognition.ckpt", "--output", "bundle"),
    "m.ckpt": ("export", FIXTURES / "classification.ckpt", "--output", "m.ckpt"),
    "g.db": ("faces", "enroll", "--name", "A", "--consent", "yes", "a.png", *GALLERY),
}  # fmt: skip


@pytest.mark.parametrize("output", [name for name in OUTPUTS if SOAK or name != "m.onnx"])
def test_a_full_disk_is_one_line_and_keeps_the_earlier_file(output, visus, images):
    path = Path(output)
    replaced = output not in {"o.jsonl", "g.db", "bundle", "masks/a.png"}
    if replaced:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"earlier")
    with no_file_beyond(60 if output == "masks/a.png" else 1000):
        code, out, err = visus(*OUTPUTS[output])
    assert code == 2, out + err
    assert len(error_lines(err)) == 1 and output in err, err
    assert not replaced or path.read_bytes() == b"earlier"
    assert not list(Path().rglob(".*part*")) and not list(Path().rglob(".bundle*"))


def error_lines(err):
    """The lines of an error; without ffmpeg one warns of browsers."""
    return [line for line in err.splitlines() if "browsers" not in line]


@pytest.mark.parametrize("option", ["--jsonl", "--stats"])
def test_a_full_device_is_one_line(option, visus, images):
    code, _, err = visus("live", CLASSIFIER, "a.png", "--video", "o.mp4", option, "/dev/full")
    assert code == 2 and "/dev/full: cannot be written (No space left" in err
    assert Path("/dev/full").is_char_device() and len(error_lines(err)) == 1


def test_devices_and_links_are_written_to_and_not_replaced(workplace):
    Path("target.txt").write_text("earlier")
    Path("link.txt").symlink_to("target.txt")
    for place in (Path("link.txt"), Path("/dev/null")):
        with replacing(place) as part:
            part.write_text("new")
    assert Path("link.txt").is_symlink() and Path("target.txt").read_text() == "new"
    assert Path("/dev/null").is_char_device()


def test_only_the_owner_may_read_embeddings_and_galleries(visus, images):
    for name in ("o.jsonl", "g.db"):
        Path(name).touch(mode=0o644)
        Path(name).chmod(0o644)
    model = FIXTURES / "face_recognition.ckpt"
    code, _, err = visus("predict", model, "a.png", "--embeddings", "--jsonl", "o.jsonl")
    assert code == 0, err
    code, _, err = visus(*OUTPUTS["g.db"])
    assert code == 0, err
    for path in (Path("o.jsonl"), *Path().glob("g.db*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_control_characters_in_names_are_escaped(visus, images):
    name = "a\x1b[2J\u202e.png"
    Path("a.png").rename(name)
    Path("b\x1b]0;x\x07.png").write_bytes(b"no image")
    code, out, err = visus("predict", CLASSIFIER, name)
    assert code == 0 and out.startswith("a\\x1b[2J\\u202e.png: "), err
    code, out, err = visus("predict", CLASSIFIER, "*.png", "--jsonl", "-")
    assert code == 3 and "b\\x1b]0;x\\x07.png" in err
    assert "\x1b" not in out + err
    code, out, err = visus("predict", "no\x1b[31mmodel", name)
    assert code == 2 and "\x1b" not in err and "no\\x1b[31mmodel" in err
    Path("photos/c\x1b[2J").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("photos/c\x1b[2J/x\x1b.png")
    code, out, err = visus("data", "check", "photos", "--task", "classification")
    assert "\x1b" not in out + err


def full_device():
    return open("/dev/full", "w", encoding="utf-8", buffering=1)


COMMANDS = [
    ("predict", CLASSIFIER, "images"),
    ("live", CLASSIFIER, "images", "--jsonl", "-"),
    ("weights", "list"),
    ("--help",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_full_disk_behind_standard_output_is_one_line(words, visus, images, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", full_device())
        code, _, err = visus(*words)
        # Python flushes it again at its end, and would end with another exit code.
        if sys.stdout is not None:
            sys.stdout.flush()
    assert code == 2
    assert err == (
        "visus: standard output: cannot be written (No space left on device); check its folder "
        "and the disk\n"
    )


@pytest.mark.parametrize("stream", [full_device, lambda: None], ids=["full", "closed"])
def test_lost_messages_stop_nothing_and_do_not_become_output(stream, visus, images, monkeypatch):
    (Path("images") / "broken.png").write_text("no image")
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", stream())
        code, out, _ = visus("predict", CLASSIFIER, "images", "--jsonl", "-")
    assert code == 3
    assert len([json.loads(line)["source"] for line in out.splitlines()]) == 40
