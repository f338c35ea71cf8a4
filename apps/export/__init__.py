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
    """A model to export.

    Attributes:
        name: The model's name on the command line.
        task: The task, in evaluation mode, on the CPU.
        path: Where to write.
        precision: Of `PRECISIONS`.
        calibration: Network inputs that set the ranges of int8, each of shape
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
        title: The kind, for messages.
        write: Writes it.
        precisions: The precisions that it supports.
        runs: Whether a runtime runs it, so that it can be compared with PyTorch.
        batches: Whether it takes several images at once, where the task's network does.
    """

    suffix: str
    title: str
    write: Callable[[ExportJob], None]
    precisions: tuple[str, ...] = ("fp32",)
    runs: bool = True
    batches: bool = True


EXPORTERS: tuple[Exporter, ...] = (
    Exporter(
        ".onnx",
        "an ONNX file",
        lambda job: write_network(job.task, job.path, job.precision, job.calibration),
        precisions=PRECISIONS,
    ),
    Exporter(
        ".pte",
        "a program for phones",
        lambda job: export_program(job.task, job.path),
        batches=False,
    ),
    Exporter(
        ".ckpt",
        "a checkpoint of weights alone",
        lambda job: write_slim_checkpoint(find_checkpoint(job.name), job.path),
        runs=False,
    ),
    Exporter(
        "",
        "a folder",
        lambda job: export_bundle(job.task, job.path, job.precision, job.calibration),
        precisions=PRECISIONS,
    ),
)
"""All kinds; of a model of one network by suffix, of a pipeline the folder."""
