"""The int8 form of a compressed model."""

from pathlib import Path
from typing import Any

import numpy as np

from visus.apps.compress.measuring import Measured, Stopwatch, assess_file
from visus.apps.compress.training import multiply_adds_of
from visus.apps.export.quantisation import write_network
from visus.apps.inference.backends import load_network
from visus.apps.inference.loading import bare_torch_model
from visus.datamodules.core.base import VisionDataModule
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError
from visus.vision.sampling import evenly_spaced

_CALIBRATION_IMAGES = 200
"""Training images that set the ranges of the layers' inputs."""


def refuse_foreign_file(path: Path) -> None:
    """Refuse to replace a file that is not an int8 model of visus.

    Raises:
        VisusError: If there is such a file.
    """
    if not path.exists():
        return
    try:
        replaceable = load_network(path, "onnxruntime").precision == "int8"
    except VisusError:
        replaceable = False
    if not replaceable:
        raise VisusError(
            f"{path}: exists, and the int8 model would replace it; name another --output"
        )


def write_int8(task: VisionTask, data: VisionDataModule[Any], path: Path) -> None:
    """Quantise a task, with ranges from training images; see `quantisation.export_int8`.

    Args:
        task: In evaluation mode, on the CPU.
        data: Its data.
        path: The ONNX file.
    """
    dataset: Any = data.plain_dataset("train")
    model = bare_torch_model("compressed", task)
    chosen = evenly_spaced(range(len(dataset)), _CALIBRATION_IMAGES)
    inputs = [model.network_inputs(np.asarray(dataset.image(index))) for index in chosen]
    write_network(task, path, "int8", inputs)


def measure_int8(
    path: Path, task: VisionTask, data: VisionDataModule[Any], stopwatch: Stopwatch, step: str
) -> Measured:
    """Measure an int8 file.

    Args:
        path: The file.
        task: What it was exported from.
        data: Its data.
        stopwatch: Of the original.
        step: See `Measured`.
    """
    metric = assess_file(path, task, data, "val")
    size = path.stat().st_size / 1e6
    return Measured(step, metric, multiply_adds_of(task), size, stopwatch.measure_file(path))
