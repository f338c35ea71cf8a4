"""Write a pipeline as a folder for small machines: networks, program, requirements."""

import json
import shutil
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from skimage.data import astronaut

import visus
from visus.apps.export.onnx_file import OPSET
from visus.apps.export.quantisation import write_network
from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.bundle import FORMAT, load_bundle
from visus.apps.runs import BUNDLE
from visus.tasks.base import VisionTask
from visus.tasks.export_spec import PartExport
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model

NETWORK = "network.onnx"
"""The task's own network in the folder."""

_ROUNDS = 10
_REQUIREMENTS = ("numpy", "opencv-python-headless", "Pillow", "onnxruntime")
_PACKAGES = ("apps", "models", "tasks", "vision")
_PROGRAM = '''\
"""Run visus with the model in this folder: python run.py {usage}."""

import sys
from pathlib import Path

here = str(Path(__file__).resolve().parent)
sys.path.insert(0, str(Path(here) / "program"))

from visus.apps.cli import main

arguments = sys.argv[1:] or ["--help"]
if arguments[0].startswith("-"):
    arguments = [{first!r}, *arguments]
else:
    model = {{"{{model}}": here}}
    before = [model.get(word, word) for word in {before!r}]
    after = [model.get(word, word) for word in {after!r}]
    arguments = [*before, *arguments, *after]
sys.exit(main(arguments))
'''


def export_bundle(
    task: VisionTask,
    folder: Path,
    precision: str = "fp32",
    inputs: Sequence[NDArray[np.uint8]] = (),
) -> None:
    """Write the networks, the part of visus that runs them, and its requirements.

    Args:
        task: In evaluation mode, on the CPU.
        folder: Where to write; must be new, empty, or an earlier bundle.
        precision: Of the task's own network, one of `visus.apps.inference.backends.PRECISIONS`;
            the other networks stay in float32.
        inputs: For int8, see `visus.apps.export.quantisation.export_int8`.

    Raises:
        VisusError: If the folder contains other files.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE).is_file():
        raise VisusError(f"--output {str(folder)!r}: contains other files; name a new folder")
    pipeline = task.spec.export_parts(task)
    assert pipeline is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUNDLE).unlink(missing_ok=True)
    for name, part in pipeline.networks.items():
        _export_part(part, folder / f"{name}.onnx")
    write_network(task, folder / NETWORK, precision, inputs)
    _copy_program(folder / "program" / "visus")
    needed = (*_REQUIREMENTS, *pipeline.requirements)
    lines = [f"{name}=={_installed(name)}\n" for name in needed]
    (folder / "requirements-edge.txt").write_text("".join(lines), encoding="utf-8")
    before, after = pipeline.command
    program = _PROGRAM.format(usage=pipeline.usage, first=before[0], before=before, after=after)
    (folder / "run.py").write_text(program, encoding="utf-8")
    # Written last: a folder without it is not a bundle.
    values = {
        "format": FORMAT,
        "network": NETWORK,
        "networks": list(pipeline.networks),
        "values": dict(pipeline.values),
    }
    (folder / BUNDLE).write_text(json.dumps(values) + "\n", encoding="utf-8")


def _copy_program(target: Path) -> None:
    """The part of visus that runs exported networks."""
    source = Path(visus.__file__).parent
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copy(source / "__init__.py", target)
    ignored = shutil.ignore_patterns("__pycache__", "shipped")
    for package in _PACKAGES:
        shutil.copytree(source / package, target / package, ignore=ignored)


def _export_part(part: PartExport, path: Path) -> None:
    """Export by the TorchScript exporter: the newer one fails on pooling in ceil mode."""
    # A running program may have mapped the earlier file.
    unfinished = path.with_suffix(".part")
    example = torch.zeros((2, 3, part.side, part.side), dtype=torch.uint8)
    axes = {0: "batch", 2: "height", 3: "width"} if part.any_size else {0: "batch"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.network,
            (example,),
            unfinished,
            input_names=["images"],
            dynamic_axes={"images": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(unfinished))
    unfinished.replace(path)


def measure_bundle(model: Model, folder: Path) -> list[str]:
    """Compare the bundle with PyTorch on a photograph, and measure the latency of each runtime.

    Args:
        model: The exported model.
        folder: The bundle.

    Returns:
        One line for each runtime.
    """
    image: Pixels = astronaut()  # type: ignore[no-untyped-call]
    expected = model.run(model.network_inputs(image))[0]
    models = [model, *(load_bundle(folder / BUNDLE, name) for name in installed_runtimes())]
    lines = []
    for each in models:
        outputs = each.run(each.network_inputs(image))[0]
        times = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            each.predict_image(image)
            times.append(time.perf_counter() - start)
        same = outputs.shape == expected.shape
        difference = f"by {np.abs(outputs - expected).max():.1e}" if same else "in shape"
        lines.append(
            f"{each.runtime}: {np.median(times) * 1000:.1f} ms from image to prediction, outputs "
            f"differ from torch's {difference}"
        )
    return lines


def _installed(name: str) -> str:
    # Both of OpenCV's distributions have the same versions.
    return version("opencv-python" if name.startswith("opencv") else name)
