"""Write a face model as a folder that runs on a small machine: networks, program, requirements."""

import json
import shutil
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from skimage.data import astronaut
from torch import nn

import apps
import models
import vision
from apps.export import OPSET, export_onnx
from apps.faces.bundle import EMBEDDER, FORMAT, STAGES, load_bundle
from apps.faces.model import FaceModel
from apps.networks import EXPORTED_RUNTIMES
from apps.runs import BUNDLE
from models.face_recognition import create_face_finder
from tasks.base import VisionTask
from tasks.face_recognition import FaceRecognitionTask
from vision.errors import VisusError
from vision.images import Pixels

_ROUNDS = 10
_SIDES = {"propose": 48, "refine": 24, "output": 48}
_REQUIREMENTS = ("numpy", "opencv-python-headless", "Pillow", "onnxruntime", "numba")
_RUN = '''\
"""Runs visus's face commands with the model in this folder: python run.py identify PICTURE ..."""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here / "program"))

from apps.cli import main

arguments = sys.argv[1:] or ["--help"]
if not arguments[0].startswith("-"):
    arguments += ["--model", str(here)]
sys.exit(main(["faces", *arguments]))
'''


def export_bundle(task: VisionTask, folder: Path) -> None:
    """Write the networks, the part of visus that runs them, and what that needs.

    Args:
        task: In evaluation mode, on the CPU.
        folder: Where to write; must be new, empty, or an earlier bundle.

    Raises:
        VisusError: If other things lie in the folder.
    """
    assert isinstance(task, FaceRecognitionTask)
    if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE).is_file():
        raise VisusError(f"--output {str(folder)!r}: holds other files; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUNDLE).unlink(missing_ok=True)
    finder = create_face_finder()
    for name in STAGES:
        _export_stage(getattr(finder, name), _SIDES[name], folder / f"{name}.onnx")
    export_onnx(task, folder / EMBEDDER)
    for package in (apps, models, vision):
        source = Path(package.__path__[0])
        target = folder / "program" / source.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [f"{name}=={_installed(name)}\n" for name in _REQUIREMENTS]
    (folder / "requirements-edge.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "run.py").write_text(_RUN, encoding="utf-8")
    # Last: a folder without it is no bundle.
    facts = {"format": FORMAT, "fingerprint": task.fingerprint()}
    (folder / BUNDLE).write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _export_stage(stage: nn.Module, side: int, path: Path) -> None:
    """By the older exporter, as the newer one cannot pool pictures of any size to the ceiling."""
    # A file that a running program has mapped must not change under it.
    part = path.with_suffix(".part")
    example = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    axes = {0: "batch", 2: "height", 3: "width"} if path.stem == "propose" else {0: "batch"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            stage,
            (example,),
            part,
            input_names=["images"],
            dynamic_axes={"images": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(part))
    part.replace(path)


def measure_bundle(model: FaceModel, folder: Path) -> list[str]:
    """How the bundle agrees with PyTorch on a photograph, and how fast each runtime is.

    Args:
        model: What was exported.
        folder: The bundle.

    Returns:
        A line a runtime.
    """
    image: Pixels = astronaut()  # type: ignore[no-untyped-call]
    expected = model.predict_pixels(image)
    installed = [name for name in EXPORTED_RUNTIMES if find_spec(name)]
    models = [model, *(load_bundle(folder / BUNDLE, name) for name in installed)]
    lines = []
    for each in models:
        found = each.predict_pixels(image)
        boxes = float(np.abs(found.boxes - expected.boxes).max())
        assert found.embeddings is not None and expected.embeddings is not None
        numbers = float(np.abs(found.embeddings - expected.embeddings).max())
        times = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            each.predict_pixels(image)
            times.append(time.perf_counter() - start)
        lines.append(
            f"{each.runtime}: {np.median(times) * 1000:.1f} ms from picture to embedding, boxes "
            f"differ from torch's by {boxes:.1e} pixels, embeddings by {numbers:.1e}"
        )
    return lines


def _installed(name: str) -> str:
    # Both of OpenCV's distributions have the same versions.
    return version("opencv-python" if name.startswith("opencv") else name)
