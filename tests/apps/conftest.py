"""Images of faces, and machines that have nothing installed but what they need."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny exported model, and the checkpoint it came from."""
    from visus.apps.cli import main

    folder = tmp_path_factory.mktemp("model")
    before = os.getcwd()
    os.chdir(folder)
    os.environ.pop("VISUS_RUN_FOLDER", None)
    try:
        arguments = ["--model.backbone", "lenet5", "--trainer.precision", "32-true"]
        arguments += ["--trainer.max_epochs", "1", "--data.count", "32", "--data.num_workers", "0"]
        assert main(["fit", "--config", "classification/scenes", *arguments]) == 0
        run = next(folder.glob("runs/*/*/*"))
        assert main(["export", str(run), "--output", str(folder / "m.onnx")]) == 0
    finally:
        os.chdir(before)
    return folder / "m.onnx", run


@pytest.fixture
def images(workplace):
    """Images of a face, of none, of two, and of faces that cannot be used."""
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


@pytest.fixture
def edge(tmp_path):
    """Runs an exported folder's program with nothing installed but what it says it needs."""

    def preprocess(bundle: Path):
        requirements = (bundle / "requirements-edge.txt").read_text().splitlines()
        assert not any(name in " ".join(requirements) for name in ("torch", "timm", "lightning"))
        site = tmp_path / "site"
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
        program = [sys.executable, "-S", "-P", str(bundle.resolve() / "run.py")]

        def run(*arguments):
            command = [*program, *map(str, arguments)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr

        return run

    return preprocess


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
