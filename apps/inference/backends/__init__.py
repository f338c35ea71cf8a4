"""The runtimes of exported files, in one table; adding one is one file and one line."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from visus.apps.inference.backends.base import (
    DIGEST_KEY,
    METADATA_KEY,
    PRECISION_KEY,
    PRECISIONS,
    ExportedNetwork,
    damaged,
    usable_workers,
)
from visus.apps.inference.backends.executorch_cpu import ExecuTorchNetwork
from visus.apps.inference.backends.onnx_runtime import OnnxRuntimeNetwork
from visus.apps.inference.backends.openvino_cpu import OpenVinoNetwork, computes_bfloat16
from visus.apps.inference.integrity import check_integrity
from visus.vision.errors import VisusError

__all__ = [
    "BACKENDS",
    "DIGEST_KEY",
    "METADATA_KEY",
    "PRECISIONS",
    "PRECISION_KEY",
    "Backend",
    "ExportedNetwork",
    "choose_runtime",
    "computes_bfloat16",
    "damaged",
    "exported_suffixes",
    "installed_runtimes",
    "load_network",
    "runtime_names",
    "usable_workers",
]


@dataclass(frozen=True)
class Backend:
    """A runtime of exported files.

    Attributes:
        name: Its name for `--runtime`, and the package that it needs.
        suffix: Of the files that it runs.
        load: Loads a file for a number of threads.
    """

    name: str
    suffix: str
    load: Callable[[Path, int], ExportedNetwork]

    @property
    def installed(self) -> bool:
        """Whether its package is installed."""
        return find_spec(self.name) is not None


BACKENDS: tuple[Backend, ...] = (
    Backend("openvino", ".onnx", OpenVinoNetwork),
    Backend("onnxruntime", ".onnx", OnnxRuntimeNetwork),
    Backend("executorch", ".pte", ExecuTorchNetwork),
)
"""Runtimes for files of the same suffix are listed by descending speed."""


def runtime_names() -> tuple[str, ...]:
    """Names for `--runtime`: `torch` and those of the table."""
    return ("torch", *(backend.name for backend in BACKENDS))


def exported_suffixes() -> tuple[str, ...]:
    """Suffixes of exported files."""
    return tuple(dict.fromkeys(backend.suffix for backend in BACKENDS))


def installed_runtimes(suffix: str = ".onnx") -> list[str]:
    """The installed runtimes for files of a suffix, the fastest first."""
    return [each.name for each in BACKENDS if each.suffix == suffix.lower() and each.installed]


def choose_runtime(runtime: str | None, path: Path, suffix: str = "") -> str:
    """The runtime for an exported file: the requested one, or the fastest that is installed.

    Args:
        runtime: A name of `runtime_names`, or None.
        path: The file, or the folder of an exported pipeline.
        suffix: Of the files in that folder; that of the file by default.

    Raises:
        VisusError: If the runtime cannot run such files or is not installed, or if none is.
    """
    suffix = suffix or path.suffix.lower()
    names = [each.name for each in BACKENDS if each.suffix == suffix]
    if runtime is not None and runtime not in names:
        raise VisusError(
            f"{path}: {runtime} cannot run it; leave --runtime out, or use {' or '.join(names)}"
        )
    installed = installed_runtimes(suffix)
    if runtime is not None and runtime not in installed:
        raise VisusError(f"--runtime {runtime}: is not installed; pip install {runtime}")
    if not installed:
        raise VisusError(f"{path}: needs a runtime; pip install {names[-1]}")
    return runtime or installed[0]


def load_network(path: Path, runtime: str, workers: int = 1) -> ExportedNetwork:
    """Load an exported file.

    Args:
        path: The file.
        runtime: A name of `BACKENDS`.
        workers: How many threads may call it at once, sharing the cores: latency rises, and so
            does throughput.

    Raises:
        VisusError: If it is damaged, or was altered after it was exported.
    """
    check_integrity(path)
    return next(each for each in BACKENDS if each.name == runtime).load(path, workers)
