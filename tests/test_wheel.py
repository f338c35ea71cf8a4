"""What the wheel installs, and that it works beside a user's own files of any name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wheel import ROOT, build_wheel, copy_checkout, install_wheel

SCRIPT = """
import numpy as np

import visus
import models
import tasks
import configs
import apps

assert models.MINE and tasks.MINE and configs.MINE and apps.MINE
model = visus.load("imagenet")
result = model(np.zeros((64, 64, 3), np.uint8))
print(len(result.summary()))
"""

TYPED = """
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import visus
from visus.tasks.classification.prediction import ClassificationPrediction

model: visus.Model = visus.load(Path("model.onnx"), runtime="onnxruntime")
image = np.zeros((64, 64, 3), np.uint8)
result = model(image, channels="bgr", threshold=0.5)
line: str = result.summary()
for item in result:
    label: str = item.label
    score: float = item.score
sure: visus.Result = result[result.scores > 0.5]
dogs: visus.Result = result["dog"][:3]
first: str = result[0].label
drawn: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = result.plot()
several: list[visus.Result] = model([image, Image.new("RGB", (8, 8)), "cat.jpg", b""])
one: visus.Result = model("cat.jpg")
many: list[visus.Result] = model.predict(Path("photos"))
assert isinstance(result.prediction, ClassificationPrediction)
best: list[tuple[str, float]] = result.prediction.top(3)
stream: Iterator[visus.Result] = model.stream(0)
for tracked in model.track("clip.mp4"):
    print(tracked.index, [each.details["track"] for each in tracked])
trained: visus.Model = visus.fit("photos", max_epochs=2, backbone="resnet18")
metrics: dict[str, float] = trained.validate("photos", split="test")
path: Path = trained.export("model.onnx", precision="fp32")
gallery = visus.faces.Gallery("people.db")
count: int = gallery.enroll("Ada", ["a.jpg", image], consent="in writing")
for face in gallery.identify(image):
    print(face.name, [(each.name, each.similarity) for each in face.candidates])
if gallery.verify("a.jpg", name="Ada"):
    found: list[visus.faces.Found] = gallery.find("a.jpg", Path("photos"))
try:
    model("nowhere.jpg")
except visus.VisusError as error:
    print(error)
wrong: int = result.summary()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install_wheel(tmp_path_factory.mktemp("wheel"))


def test_it_installs_one_package_with_all_its_files(site):
    names = {path.name for path in site.iterdir()} - {"bin"}
    assert {name for name in names if not name.endswith(".dist-info")} == {"visus"}
    assert (site / "visus" / "py.typed").is_file()
    for folder in ("vision", "models", "datamodules", "tasks", "apps", "configs"):
        expected = {
            path.relative_to(ROOT / folder)
            for path in (ROOT / folder).rglob("*")
            if path.suffix in {".py", ".yaml", ".html", ".css", ".js", ".ckpt"}
        }
        installed = {
            path.relative_to(site / "visus" / folder)
            for path in (site / "visus" / folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert installed == expected, folder


def test_it_works_beside_a_users_own_folders_and_files(site, workplace):
    for name in ("models", "configs"):
        Path(name).mkdir()
        Path(name, "__init__.py").write_text("MINE = True\n")
    for name in ("tasks.py", "apps.py"):
        Path(name).write_text("MINE = True\n")
    Path("script.py").write_text(SCRIPT)
    # Without this environment's editable install: only what lies in the site folder, and its needs.
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    command = [sys.executable, str(site / "bin" / "visus"), "fit", "--config",
               "classification/digits", "--print_config"]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "visus.tasks.classification.task.ClassificationTask" in done.stdout


def test_a_users_script_is_type_checked_against_it(site, workplace):
    venv = workplace / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "visus").symlink_to(site / "visus")
    import numpy

    # The other packages, without the editable install of the checkout.
    for name in ("numpy", "PIL"):
        source = Path(numpy.__file__).parent.parent / name
        (packages / name).symlink_to(source)
    Path("script.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable",
               str(venv / "bin" / "python"), "script.py"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.count("error:") == 1, done.stdout
    last = len(TYPED.splitlines())
    assert f"script.py:{last}: error: Incompatible types in assignment" in done.stdout


def test_two_builds_of_the_wheel_are_identical(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    copy_checkout(ROOT, tmp_path / "checkout")
    wheels = [build_wheel(tmp_path / name, tmp_path / "checkout") for name in ("first", "second")]
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
