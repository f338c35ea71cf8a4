"""Write a pipeline as a folder for small machines: networks, program, requirements."""

import io
import json
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from skimage.data import astronaut

import visus
from visus.apps.export.onnx_file import OPSET, save_onnx
from visus.apps.export.quantisation import write_network
from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.bundle import FORMAT, load_bundle
from visus.apps.inference.integrity import BLANK_DIGEST, fill_in_digest
from visus.apps.runs import BUNDLE
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import refuse_non_finite_weights
from visus.tasks.export_spec import PartExport
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, read_image
from visus.vision.model import Model
from visus.vision.output_files import unwritable
from visus.vision.output_folders import move_entries
from visus.vision.wording import counted

NETWORK = "network.onnx"
"""The task's own network in the folder."""

_PROGRAM_FOLDER = "program"
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

    An earlier bundle is replaced once all files are written.

    Args:
        task: In evaluation mode, on the CPU.
        folder: Where to write; must be new, empty, or an earlier bundle.
        precision: Of the task's own network, one of `visus.apps.inference.backends.PRECISIONS`;
            the other networks stay in float32.
        inputs: For int8, see `visus.apps.export.quantisation.export_int8`.

    Raises:
        VisusError: If the folder contains other files, weights are not finite, or a file cannot
            be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE).is_file():
        raise VisusError(f"--output {str(folder)!r}: contains other files; name a new folder")
    refuse_non_finite_weights(task.state_dict(), f"{folder}: not exported, the")
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # An existing folder may be a mounted file system, to which nothing outside can be moved.
        beside = target if target.exists() else target.parent
        with TemporaryDirectory(dir=beside, prefix=f".{target.name[:32]}.") as staging:
            try:
                _write(task, Path(staging), precision, inputs)
            except VisusError as error:
                # The temporary folder is not the user's.
                raise VisusError(str(error).replace(staging, str(folder))) from None
            target.mkdir(exist_ok=True)
            # A folder without it is not a bundle.
            (target / BUNDLE).unlink(missing_ok=True)
            shutil.rmtree(target / _PROGRAM_FOLDER, ignore_errors=True)
            move_entries(Path(staging), target, last=BUNDLE)
    except OSError as error:
        raise unwritable(folder, error) from None


def _write(
    task: VisionTask, folder: Path, precision: str, inputs: Sequence[NDArray[np.uint8]]
) -> None:
    """Write all files into an empty folder."""
    pipeline = task.spec.export_parts(task)
    assert pipeline is not None
    for name, network in pipeline.networks.items():
        _export_part(network, folder / f"{name}.onnx")
    write_network(task, folder / NETWORK, precision, inputs)
    _copy_program(folder / _PROGRAM_FOLDER / "visus")
    needed = (*_REQUIREMENTS, *pipeline.requirements)
    lines = [f"{name}=={_installed(name)}\n" for name in needed]
    (folder / "requirements-edge.txt").write_text("".join(lines), encoding="utf-8")
    before, after = pipeline.command
    program = _PROGRAM.format(usage=pipeline.usage, first=before[0], before=before, after=after)
    (folder / "run.py").write_text(program, encoding="utf-8")
    values = {
        "format": FORMAT,
        "network": NETWORK,
        "networks": list(pipeline.networks),
        "values": dict(pipeline.values),
        "digest": BLANK_DIGEST,
    }
    (folder / BUNDLE).write_text(json.dumps(values) + "\n", encoding="utf-8")
    fill_in_digest(folder / BUNDLE)


def _copy_program(target: Path) -> None:
    """The part of visus that runs exported networks."""
    source = Path(visus.__file__).parent
    target.mkdir(parents=True)
    shutil.copy(source / "__init__.py", target)
    ignored = shutil.ignore_patterns("__pycache__", "shipped")
    for package in _PACKAGES:
        shutil.copytree(source / package, target / package, ignore=ignored)


def _export_part(part: PartExport, path: Path) -> None:
    """Export by the TorchScript exporter: the newer one fails on pooling in ceil mode."""
    refuse_non_finite_weights(part.network.state_dict(), f"{path}: not exported, the")
    example = torch.zeros((2, 3, part.side, part.side), dtype=torch.uint8)
    axes = {0: "batch", 2: "height", 3: "width"} if part.any_size else {0: "batch"}
    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.network,
            (example,),
            written,  # type: ignore[arg-type]  # its annotation lacks streams
            input_names=["images"],
            dynamic_axes={"images": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    save_onnx(onnx.load_model_from_string(written.getvalue()), path, {})


def measure_bundle(model: Model, folder: Path, paths: Sequence[Path] = ()) -> list[str]:
    """Compare the bundle with PyTorch, and measure the latency of each runtime.

    Args:
        model: The exported model.
        folder: The bundle.
        paths: Images to compare on; a photograph by default.

    Returns:
        One line for each runtime.
    """
    photograph: Pixels = astronaut()  # type: ignore[no-untyped-call]
    expected = [_network_outputs(model, image) for image in _read(paths, photograph)]
    models = [model, *(load_bundle(folder / BUNDLE, name) for name in installed_runtimes())]
    lines = []
    for each in models:
        difference, times = 0.0, []
        for image, outputs in zip(_read(paths, photograph), expected, strict=True):
            given = _network_outputs(each, image)
            same = given.shape == outputs.shape
            largest = np.abs(given - outputs).max(initial=0.0) if same else np.inf
            # Unlike `max`, it keeps NaN.
            difference = float(np.maximum(difference, largest))
            for _ in range(1 if paths else _ROUNDS):
                start = time.perf_counter()
                each.predict_image(image)
                times.append(time.perf_counter() - start)
        shown = "in shape" if np.isinf(difference) else f"by {difference:.1e}"
        where = f" on {counted(len(paths), 'image')}" if paths else ""
        lines.append(
            f"{each.runtime}: {np.median(times) * 1000:.1f} ms from image to prediction, outputs "
            f"differ from torch's {shown}{where}"
        )
    return lines


def _read(paths: Sequence[Path], photograph: Pixels) -> Iterator[Pixels]:
    return map(read_image, paths) if paths else iter([photograph])


def _network_outputs(model: Model, image: Pixels) -> NDArray[np.float32]:
    """The first output for an image; empty if the pipeline detects nothing in it."""
    inputs = model.network_inputs(image)
    return model.run(inputs)[0] if len(inputs) else np.zeros(0, np.float32)


def _installed(name: str) -> str:
    # Both of OpenCV's distributions have the same versions.
    return version("opencv-python" if name.startswith("opencv") else name)
