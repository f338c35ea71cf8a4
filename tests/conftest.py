import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores; more threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from visus.vision.scenes import SHAPES, make_scene

# Machines that run the tests are noisy; a slow example is not a failure.
settings.register_profile("visus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("visus")


# The user's own cache is left alone.
os.environ["VISUS_CACHE"] = tempfile.mkdtemp(prefix="visus-cache-")
atexit.register(shutil.rmtree, os.environ["VISUS_CACHE"], ignore_errors=True)

PATIENCE = 300
"""Timeout in seconds of other threads and processes; generous, as test machines are busy."""

TWO = ("--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp")


def pytest_collection_modifyitems(items):
    """Run the longest test first, so that the other workers do not wait for it at the end."""
    items.sort(key=lambda item: "readmes_commands" not in item.name)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder, without the run folder of another test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUS_RUN_FOLDER", raising=False)
    return tmp_path


@pytest.fixture
def visus(workplace, capsys):
    """Run a command in this process; returns the exit code and what it printed."""
    from visus.apps.cli import main

    def run(*arguments):
        os.environ.pop("VISUS_RUN_FOLDER", None)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def two_processes(workplace):
    """Run a command of visus that starts Lightning in two processes."""
    script = Path(sys.executable).with_name("visus")

    def run(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("VISUS_RUN_FOLDER", None)
        command = [str(argument) for argument in (script, *arguments, *TWO)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10 * PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def ranks():
    """Run a command as a distributed run of two forked processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("VISUS_RUN_FOLDER", None)
    with subprocess.Popen(
        # Without this folder in its path, whose `tasks` and `apps` are those of the tests.
        [sys.executable, "-P", Path(__file__).with_name("ranks.py")],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip

        def run(arguments):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            request = {"folder": os.getcwd(), "arguments": arguments, "port": port}
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            codes = json.loads(server.stdout.readline())
            assert codes == [0, 0], Path("rank0.txt").read_text() + Path("rank1.txt").read_text()

        yield run
        server.stdin.close()


@pytest.fixture
def same_by_two_processes(visus, ranks):
    """Test a run with one and with two processes: all metrics must be equal."""

    def check(run, *arguments):
        code, _, err = visus("test", run, *arguments)
        assert code == 0, err
        expected = newest_metrics()
        two = (
            "--trainer.accelerator",
            "cpu",
            "--trainer.devices",
            "2",
            "--trainer.strategy",
            "ddp",
        )
        ranks([str(argument) for argument in ("test", run, *arguments, *two)])
        # Only the first process prints.
        assert "runs/" in Path("rank0.txt").read_text()
        assert "runs/" not in Path("rank1.txt").read_text()
        measured = newest_metrics()
        assert measured.keys() == expected.keys()
        for key, value in expected.items():
            assert (value is None) == (measured[key] is None), key
            assert value is None or measured[key] == pytest.approx(value, abs=1e-6), key

    return check


def eventually(condition) -> None:
    """Wait until another thread has made a condition true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.01)


def newest(pattern: str) -> Path:
    """The latest of the files or folders that match in the current folder."""
    return max(Path().glob(pattern), key=lambda path: path.stat().st_mtime_ns)


def newest_metrics() -> dict[str, float | None]:
    """The metrics of the latest run."""
    return json.loads((newest("runs/*/*/*") / "metrics.json").read_text())["metrics"]


def save_scene(path: Path, seed: int, shape: str | None = None, size=(48, 56)) -> Path:
    """Write a scene with a single object, of the given shape."""
    scene = make_scene(seed, size, (1, 1), 16)
    while shape is not None and (not scene.objects or scene.objects[0].shape != shape):
        seed += 1009
        scene = make_scene(seed, size, (1, 1), 16)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene.image).save(path)
    return path


@pytest.fixture
def photos(workplace):
    """A folder of two class folders with ten images each."""
    for label in SHAPES[:2]:
        for i in range(10):
            save_scene(workplace / "photos" / label / f"{i}.png", i, label)
    return workplace / "photos"


def save_detection(root: Path, format: str, splits=("train",), count=8, size=(96, 128)) -> Path:
    """Write a detection data set of scenes, in COCO's format with outlines."""
    import numpy as np

    from visus.datamodules.core.detection_files import FORMATS
    from visus.datamodules.core.labels import LabelledImage, LabelledObject
    from visus.vision.masks import encode_mask

    samples, images = [], []
    for split in splits:
        for i in range(count):
            scene = make_scene(len(images), size, (1, 3), 24)
            objects = tuple(
                LabelledObject(
                    item.shape,
                    tuple(map(float, item.box)),
                    "",
                    runs=tuple(encode_mask(item.mask)["counts"]) if format == "coco" else (),
                )
                for item in scene.objects
                if item.shape in SHAPES[:3]
            )
            path = Path(f"{split}{i}.png")
            samples.append(LabelledImage(path, objects, split, "", size, size=size))
            images.append(np.asarray(scene.image))
    names = [sample.path for sample in samples]
    targets = FORMATS[format].write(samples, names, SHAPES[:3], root)
    for target, image in zip(targets, images, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return root


def save_masked(root: Path, layout: str, count=8, size=(40, 48)) -> Path:
    """Write scenes p0.png, p1.png... with masks of class ids in one of the layouts.

    With splits the last quarter of the images is for validation.
    """
    rows = ["path,mask,split"]
    for i in range(count):
        split = "train" if i < count * 3 // 4 else "val"
        image, mask = {
            "folders": ("images", "masks"),
            "splits": (f"{split}/images", f"{split}/masks"),
            "inner": (f"images/{split}", f"masks/{split}"),
            "annot": (split, f"{split}annot"),
            "csv": ("a", "b"),
        }[layout]
        scene = make_scene(i, size)
        for folder, pixels in ((image, scene.image), (mask, scene.class_mask())):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"p{i}.png")
        rows.append(f"{image}/p{i}.png,{mask}/p{i}.png,{split}")
    if layout == "csv":
        (root / "masks.csv").write_text("\n".join(rows))
    return root


def save_people(root: Path, people: int, images: int, first: int = 0, size=(48, 48)) -> Path:
    """Write folders P0, P1...: one scene per person, with different noise in each image."""
    import numpy as np

    rng = np.random.default_rng(first)
    for person in range(people):
        clean = make_scene(first + person, size, (2, 4), 16).image
        for i in range(images):
            noisy = clean + rng.normal(0, 8, clean.shape)
            path = root / f"P{first + person}" / f"P{first + person}_{i + 1:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
    return root


def publish(monkeypatch, folder: Path, name: str, state: dict) -> tuple:
    """Publish a state as a file, and let an entry of ready-made weights point to it.

    The cache is empty. Returns the entry and the file.
    """
    import hashlib

    import torch

    from visus.tasks.registry import find_weights

    monkeypatch.setenv("VISUS_CACHE", str(folder / "cache"))
    path = folder / "published.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = find_weights(name)
    # Entries are frozen, and modules hold references to them.
    monkeypatch.setitem(vars(entry), "sha256", digest[:8])
    monkeypatch.setitem(vars(entry), "url", path.as_uri())
    return entry, path


def save_captions(root: Path, count: int) -> Path:
    """Write scenes p0.png, p1.png... and a JSON with two captions for each."""
    content = []
    for i in range(count):
        scene = make_scene(i, (48, 56), (1, 3), 12)
        path = root / f"p{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.image).save(path)
        first = f"There is {scene.caption()}."
        content.append({"image": path.name, "captions": [first, scene.caption()]})
    (root / "captions.json").write_text(json.dumps(content))
    return root
