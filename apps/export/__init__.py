"""The exporters, in one table by the suffix of the file; adding one is one file and one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.apps.export.bundle import export_bundle
from visus.apps.export.checkpoint_file import write_slim_checkpoint
from visus.apps.export.executorch_file import export_program
from visus.apps.export.quantisation import write_network
from visus.apps.inference.backends import PRECISIONS
from visus.apps.runs import find_checkpoint
from visus.tasks.base import VisionTask


@dataclass(frozen=True)
class ExportJob:
    """What is exported.

    Attributes:
        name: What the user called the model.
        task: The task, in evaluation mode, on the CPU.
        path: Where to write.
        precision: What the file computes in, of `PRECISIONS`.
        calibration: Network inputs from which the ranges of int8 are taken, each of shape
            (1, channels, height, width).
    """

    name: str
    task: VisionTask
    path: Path
    precision: str = "fp32"
    calibration: Sequence[NDArray[np.uint8]] = ()


@dataclass(frozen=True)
class Exporter:
    """One kind of exported file.

    Attributes:
        suffix: Of the file; empty for a folder.
        title: What it is, for messages.
        precisions: What it can compute in.
        runs: Whether a runtime runs it, so that it can be compared with PyTorch.
        write: Writes it.
    """

    suffix: str
    title: str
    precisions: tuple[str, ...]
    runs: bool
    write: Callable[[ExportJob], None]


EXPORTERS = (
    Exporter(
        ".onnx",
        "an ONNX file",
        PRECISIONS,
        True,
        lambda job: write_network(job.task, job.path, job.precision, job.calibration),
    ),
    Exporter(
        ".pte",
        "a program for phones",
        ("fp32",),
        True,
        lambda job: export_program(job.task, job.path),
    ),
    Exporter(
        ".ckpt",
        "a checkpoint of weights alone",
        ("fp32",),
        False,
        lambda job: write_slim_checkpoint(find_checkpoint(job.name), job.path),
    ),
    Exporter(
        "",
        "a folder",
        PRECISIONS,
        True,
        lambda job: export_bundle(job.task, job.path, job.precision, job.calibration),
    ),
)
