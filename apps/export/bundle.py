"""Write a model of faces as a folder for small machines: networks, program, requirements."""

import json
import shutil
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from skimage.data import astronaut
from torch import nn

import apps
import models
import vision
from visus.apps.export.onnx_file import OPSET
from visus.apps.inference.bundle import FORMAT, NETWORK, STAGES, load_bundle
from visus.tasks.face3d.pipeline import Face3DModel
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.apps.inference.networks_tmp import EXPORTED_RUNTIMES
from visus.apps.export.quantisation import write_network
from visus.apps.runs import BUNDLE
from visus.models.faces.mtcnn import create_face_finder
from visus.tasks.base import VisionTask
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.tasks.face_recognition.prediction import FacePrediction

_Numbers = NDArray[np.float32]
_ROUNDS = 10
_SIDES = {"propose": 48, "refine": 24, "output": 48}
_REQUIREMENTS = ("numpy", "opencv-python-headless", "Pillow", "onnxruntime", "numba")
_MESHES = ("trimesh",)
_RUN = '''\
"""Runs visus with the model in this folder: python run.py {usage}."""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here / "program"))

from apps.cli import main

arguments = sys.argv[1:] or ["--help"]
{command}
'''
_IDENTIFY = """\
if not arguments[0].startswith("-"):
    arguments += ["--model", str(here)]
sys.exit(main(["faces", *arguments]))"""
_RECONSTRUCT = """\
if not arguments[0].startswith("-"):
    arguments = [str(here), *arguments]
sys.exit(main(["infer", *arguments]))"""


def export_bundle(
    task: VisionTask,
    folder: Path,
    precision: str = "fp32",
    inputs: Sequence[NDArray[np.uint8]] = (),
) -> None:
    """Write the networks, the part of visus that runs them, and what that needs.

    Args:
        task: In evaluation mode, on the CPU.
        folder: Where to write; must be new, empty, or an earlier bundle.
        precision: What looks at faces computes in, of `apps.networks.PRECISIONS`; what finds them
            stays in float32.
        inputs: For int8, see `apps.quantise.export_int8`.

    Raises:
        VisusError: If other things lie in the folder.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE).is_file():
        raise VisusError(f"--output {str(folder)!r}: holds other files; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUNDLE).unlink(missing_ok=True)
    finder = create_face_finder()
    for name in STAGES:
        _export_stage(getattr(finder, name), _SIDES[name], folder / f"{name}.onnx")
    write_network(task, folder / NETWORK, precision, inputs)
    for package in (apps, models, vision):
        source = Path(package.__path__[0])
        target = folder / "program" / source.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    fingerprint = task.fingerprint() if isinstance(task, FaceRecognitionTask) else None
    needed = _REQUIREMENTS if fingerprint else (*_REQUIREMENTS, *_MESHES)
    lines = [f"{name}=={_installed(name)}\n" for name in needed]
    (folder / "requirements-edge.txt").write_text("".join(lines), encoding="utf-8")
    if fingerprint:
        program = _RUN.format(usage="identify PICTURE ...", command=_IDENTIFY)
    else:
        program = _RUN.format(usage="PICTURE --mesh FOLDER ...", command=_RECONSTRUCT)
    (folder / "run.py").write_text(program, encoding="utf-8")
    # Last: a folder without it is no bundle.
    facts = {"format": FORMAT, "fingerprint": fingerprint}
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


def measure_bundle(model: FaceModel | Face3DModel, folder: Path) -> list[str]:
    """How the bundle agrees with PyTorch on a photograph, and how fast each runtime is.

    Args:
        model: What was exported.
        folder: The bundle.

    Returns:
        A line a runtime.
    """
    image: Pixels = astronaut()  # type: ignore[no-untyped-call]
    boxes, numbers, what = _compared(model.predict_pixels(image))
    installed = [name for name in EXPORTED_RUNTIMES if find_spec(name)]
    models = [model, *(load_bundle(folder / BUNDLE, name) for name in installed)]
    lines = []
    for each in models:
        found_boxes, found_numbers, _ = _compared(each.predict_pixels(image))
        apart = float(np.abs(found_boxes - boxes).max())
        differ = float(np.abs(found_numbers - numbers).max())
        times = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            each.predict_pixels(image)
            times.append(time.perf_counter() - start)
        lines.append(
            f"{each.runtime}: {np.median(times) * 1000:.1f} ms from picture to {what}, boxes "
            f"differ from torch's by {apart:.1e} pixels, {what} by {differ:.1e}"
        )
    return lines


def _compared(prediction: FacePrediction | Face3DPrediction) -> tuple[_Numbers, _Numbers, str]:
    """Boxes, the numbers that follow from them, and what those are called."""
    if isinstance(prediction, Face3DPrediction):
        return prediction.found.boxes, prediction.vertices, "vertices"
    assert prediction.embeddings is not None
    return prediction.boxes, prediction.embeddings, "embeddings"


def _installed(name: str) -> str:
    # Both of OpenCV's distributions have the same versions.
    return version("opencv-python" if name.startswith("opencv") else name)
