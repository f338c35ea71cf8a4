"""Malicious files do nothing: no code runs, nothing else is read, memory and time are bounded."""

import importlib
import resource
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.reliability import canaries
from tests.reliability.canaries import FIXTURES, MARK
from tests.reliability.counts import SOAK

COMMANDS = ("fit --init-from", "test", "fit --resume", "export")
MEMORY = 500_000_000
SECONDS = 20


def some(kinds):
    """All in `make soak`; in `make test` every third, without those that take seconds."""
    kinds = list(kinds)
    slow = {"expanding", "mat expanding", "program"}
    return kinds if SOAK else [kind for kind in kinds[::3] if kind not in slow]


@pytest.fixture
def refused(visus):
    """Run a command on a malicious file; it must be refused by name, in one line."""
    Path("own.py").write_text(f"open({MARK!r}, 'w')\n\ndef run(): pass\n")

    def run(name, *arguments, code=2):
        # The first import of a library is neither the file's memory nor its time.
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        exit_code, out, err = visus(*arguments)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert exit_code == code, out + err
        assert Path(name).name in err, err
        assert "Traceback" not in err and "\x1b" not in err
        assert not Path(MARK).exists()
        assert 1024 * (after - before) < MEMORY
        assert time.monotonic() - start < SECONDS
        # ExecuTorch's import warns.
        if code == 2 and Path(name).suffix != ".pte":
            assert err.count("\n") == 1, err
        return err

    return run


@pytest.fixture(scope="module")
def warm():
    """The libraries that the commands import."""
    importlib.import_module("visus.apps.training.run")
    from visus.apps.inference.loading import load_model

    load_model(str(FIXTURES / "classification.onnx"))
    return load_model(str(FIXTURES / "face_recognition.ckpt"))


@pytest.mark.parametrize("kind", some(canaries.CHECKPOINTS))
def test_checkpoints(kind, warm, refused):
    canaries.checkpoint(kind, Path("evil.ckpt"))
    canaries.portrait(Path("a.png"))
    refused("evil.ckpt", "predict", "evil.ckpt", "a.png")


@pytest.mark.parametrize("kind", some(["shell", "record", "expanding"]))
@pytest.mark.parametrize("command", some(COMMANDS))
def test_commands_that_read_checkpoints(command, kind, warm, refused):
    canaries.checkpoint(kind, Path("evil.ckpt"))
    more = {
        "fit --init-from": ("--config", "classification/digits"),
        "export": ("--output", "m.onnx"),
    }.get(command, ())
    refused("evil.ckpt", *command.split(), "evil.ckpt", *more)


@pytest.mark.parametrize("kind", some(canaries.WEIGHTS))
def test_weights(kind, warm, refused):
    canaries.weights(kind, Path("evil.pth"))
    backbone = ("--model.backbone", "resnet18", "--model.pretrained", "evil.pth")
    refused("evil.pth", "fit", "--config", "classification/scenes", *backbone)


def test_weights_of_ready_made_networks(warm, refused):
    canaries.weights("shell", Path("evil.pth"))
    arguments = ("--model.architecture", "fcn_resnet50", "--model.upsampling", "bilinear")
    arguments += ("--model.pretrained", "evil.pth")
    refused("evil.pth", "fit", "--config", "segmentation/scenes", *arguments)


def test_weights_from_elsewhere(warm, refused):
    canaries.weights("shell", Path("evil.pth"))
    name = next(each.name for each in published() if each.url)
    err = refused("evil.pth", "weights", "get", name, "--from", "evil.pth")
    assert "sha256" in err


def published():
    from visus.tasks.registry import all_weights

    return all_weights()


@pytest.mark.parametrize("kind", some(canaries.FACE_MODELS))
def test_face_models(kind, warm, refused):
    path = canaries.face_model(kind, Path())
    refused(path, "fit", "--config", "face3d/synthetic", "--data.face_model", path)
    assert not Path("/tmp/visus-mark").exists()


@pytest.mark.parametrize("kind", some(canaries.EXPORTED))
@pytest.mark.parametrize("runtime", [(), ("--runtime", "onnxruntime")])
def test_exported_files(kind, runtime, warm, refused):
    if kind == "program" and runtime:
        return
    path = canaries.exported(kind, Path())
    canaries.portrait(Path("a.png"))
    refused(path, "predict", path, "a.png", *runtime)


@pytest.mark.parametrize("kind", some(canaries.GALLERIES))
def test_galleries(kind, warm, refused):
    canaries.gallery(kind, Path("evil.db"), warm.fingerprint, warm.embedding_size)
    canaries.portrait(Path("a.png"))
    arguments = ("--model", FIXTURES / "face_recognition.ckpt", "--gallery", "evil.db")
    refused("evil.db", "faces", "identify", "a.png", *arguments)


@pytest.mark.parametrize("name", some(canaries.PLAYLISTS))
@pytest.mark.parametrize("command", ["predict", "live"])
def test_playlists(command, name, warm, refused):
    video = cv2.VideoWriter("secret.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for i in range(5):
        video.write(np.full((240, 320, 3), 40 * i, np.uint8))
    video.release()
    Path(name).write_text(canaries.PLAYLISTS[name])
    # The format of an image is found when it is read.
    code = 3 if name.endswith(".m3u8") else 2
    model = FIXTURES / "classification.onnx"
    refused(name, command, model, name, "--jsonl", "o.jsonl", code=code)
    assert not Path("o.jsonl").exists() or not Path("o.jsonl").read_text()


@pytest.mark.parametrize("kind", some(canaries.CONFIGURATIONS))
def test_configurations(kind, warm, refused):
    Path("evil.yaml").write_text(canaries.CONFIGURATIONS[kind])
    name = "" if "class_path" in canaries.CONFIGURATIONS[kind] else "evil.yaml"
    refused(name, "fit", "--config", "evil.yaml")
