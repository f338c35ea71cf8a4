"""Latency, throughput, memory and cold start of a model in each runtime, each in its own process.

Run as a program, this module measures one runtime and prints one JSON object.
"""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from visus.apps.inference.backends import computes_bfloat16, installed_runtimes
from visus.apps.inference.loading import load_model
from visus.apps.live.sources import open_source
from visus.apps.runs import lasting_name
from visus.vision.cores import usable_cores
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.scenes import scene_images

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask

_FRAMES = 32
_WARM_UP = 3
_SIZE = (480, 640)


@dataclass(frozen=True)
class Speed:
    """The speed of a model in one runtime.

    Attributes:
        runtime: A name of `visus.apps.inference.backends.runtime_names`.
        precision: Of `visus.apps.inference.backends.PRECISIONS`.
        cores: Number of CPU cores.
        median: Median latency from an image to its prediction, in milliseconds.
        p95: 95th percentile of the latency, in milliseconds.
        rate: Throughput in images/s, one image at a time.
        memory: Peak memory of the process in MB.
        cold_start: Seconds from the start of the process to the first prediction.
    """

    runtime: str
    precision: str
    cores: int
    median: float
    p95: float
    rate: float
    memory: float
    cold_start: float


def measure_runtime(
    model: str, runtime: str, cores: int, source: str | None = None, seconds: float = 3.0
) -> Speed:
    """Measure a model in a new process.

    Args:
        model: See `visus.apps.runs.find_model`.
        runtime: The runtime.
        cores: Number of CPU cores that it may use.
        source: Images or a video; procedural scenes of 640 x 480 by default.
        seconds: Minimum duration; every image is predicted at least once.

    Raises:
        VisusError: If the model cannot be run.
    """
    job = {"model": model, "runtime": runtime, "cores": cores, "source": source}
    job |= {"seconds": seconds, "started": time.time()}
    # Libraries read it when they are loaded.
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    command = [sys.executable, "-m", "visus.apps.inference.benchmark", json.dumps(job)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise VisusError(f"{model} in {runtime}: cannot be measured ({reason})")
    return Speed(**json.loads(lines[-1]))


def export_for_benchmark(model: Model, folder: Path, precision: str = "fp32") -> Path:
    """Export a model in PyTorch; returns the file or folder.

    Args:
        model: The model.
        folder: Where to write.
        precision: See `visus.apps.export.onnx_file.export_onnx`; pipelines support `fp32` only.
    """
    from visus.apps.export.bundle import export_bundle
    from visus.apps.export.onnx_file import export_onnx
    from visus.tasks.torch_network import torch_task

    task = torch_task(model, "benchmark").cpu()
    if task.spec.is_pipeline:
        export_bundle(task, folder)
        return folder
    path = folder / f"{precision}.onnx"
    export_onnx(task, path, precision)
    return path


def network_latency(task: "VisionTask", seconds: float = 1.0) -> float:
    """Median milliseconds of a task's network for one image, exported to the fastest runtime.

    Args:
        task: A task of one network.
        seconds: For how long it runs.
    """
    from visus.apps.export.onnx_file import export_onnx
    from visus.apps.inference.exported import load_exported

    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        training = task.training
        export_onnx(task.eval(), path)
        task.train(training)
        model = load_exported(path, installed_runtimes(path.suffix)[0])
        shape = (1, task.in_channels, *task.image_size)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        state = model.metadata.initial_state()
        times: list[float] = []
        while sum(times) < seconds or len(times) < _WARM_UP + 5:
            start = time.perf_counter()
            model.run(images, *state)
            times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[_WARM_UP:]))


def benchmark_images(source: str | None, channels: int = 3) -> list[Pixels]:
    """The first 32 images of a source, or as many procedural scenes; see `measure_runtime`.

    Args:
        source: Images or a video.
        channels: Of the model, for scenes.
    """
    if source is None:
        return scene_images(_FRAMES, _SIZE, channels)
    images = []
    for frame in open_source(source).frames():
        images.append(frame.image)
        if len(images) == _FRAMES:
            break
    return images


def _measure(job: dict[str, Any]) -> Speed:
    cores = int(job["cores"])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    model = load_model(job["model"], job["runtime"])
    images = benchmark_images(job["source"], model.metadata.in_channels)
    model.predict(images[0])
    cold_start = time.time() - job["started"]
    for i in range(_WARM_UP):
        model.predict(images[i % len(images)])
    times: list[float] = []
    while sum(times) < job["seconds"] or len(times) < len(images):
        image = images[len(times) % len(images)]
        start = time.perf_counter()
        model.predict(image)
        times.append(time.perf_counter() - start)
    median, p95 = (1000 * float(value) for value in np.percentile(times, [50, 95]))
    rate, memory = len(times) / sum(times), _peak_memory()
    return Speed(model.runtime, model.precision, cores, median, p95, rate, memory, cold_start)


def _peak_memory() -> float:
    """Peak memory of this process in MB; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # The figure of `getrusage` includes the memory of the parent process.
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3
    try:
        # Windows lacks it.
        import resource
    except ModuleNotFoundError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS, in kilobytes elsewhere.
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def measure_all(name: str, source: str | None = None, seconds: float = 3.0) -> list[Speed]:
    """Measure every installed runtime that can run a model, on one core and on all.

    Args:
        name: See `visus.apps.runs.find_model`; a checkpoint is exported for the other runtimes.
        source: See `measure_runtime`.
        seconds: See `measure_runtime`.

    Returns:
        The speeds; those of the runtime that `visus live` uses come first.

    Raises:
        VisusError: If there is no such model, or a runtime cannot be measured.
    """
    if source is not None and not benchmark_images(source):
        raise VisusError(f"source {source!r}: none of its images can be read")
    name = lasting_name(name)
    model = load_model(name)
    counts = sorted({1, usable_cores()})
    with TemporaryDirectory() as folder:
        variants: list[tuple[str, str]] = []
        exported = Path(name)
        if model.runtime == "torch":
            variants.append((name, "torch"))
            exported = export_for_benchmark(model, Path(folder))
        suffix = exported.suffix if exported.is_file() else ".onnx"
        variants += [(str(exported), runtime) for runtime in installed_runtimes(suffix)]
        if model.runtime == "torch" and exported.suffix.lower() == ".onnx" and computes_bfloat16():
            variants.append((str(export_for_benchmark(model, Path(folder), "bf16")), "openvino"))
        del model
        return [
            measure_runtime(place, runtime, cores, source, seconds)
            for place, runtime in variants
            for cores in counts
        ]


if __name__ == "__main__":
    print(json.dumps(vars(_measure(json.loads(sys.argv[1])))))
