"""How fast a model runs: latency, throughput and memory of each runtime, each in its own process.

Run as a program, this module measures one runtime and prints one JSON object.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from visus.apps.inference.backends import computes_bfloat16, installed_runtimes, usable_cores
from visus.apps.inference.loading import load_model
from visus.apps.live.sources import open_source
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.scenes import make_scene

_FRAMES = 32
_WARM_UP = 3
_SIZE = (480, 640)


@dataclass(frozen=True)
class Speed:
    """What was measured of a model in one runtime.

    Attributes:
        runtime: See `visus.apps.inference.backends.RUNTIMES`.
        precision: What it computed in, of `visus.apps.inference.backends.PRECISIONS`.
        cores: How many CPU cores it had.
        median: Milliseconds from an image to its prediction.
        p95: As much for nineteen of twenty images.
        rate: Images a second, one after the other.
        memory: The most that its process held, in MB.
        starts: Seconds from the start of its process to the first prediction.
    """

    runtime: str
    precision: str
    cores: int
    median: float
    p95: float
    rate: float
    memory: float
    starts: float


def measure_runtime(
    model: str, runtime: str, cores: int, source: str | None = None, seconds: float = 3.0
) -> Speed:
    """Measure a model in a process of its own.

    Args:
        model: See `visus.apps.runs.find_model`.
        runtime: What runs it.
        cores: How many CPU cores it gets.
        source: Images or a video to predict for; procedural scenes of 640 x 480 by default.
        seconds: How long at least; every image is predicted once at least.

    Raises:
        VisusError: If it cannot be run.
    """
    facts = {"model": model, "runtime": runtime, "cores": cores, "source": source}
    facts["seconds"] = seconds
    # Read when a library is loaded, so that the process must be born with it.
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    command = [
        sys.executable,
        "-m",
        "visus.apps.inference.benchmark",
        json.dumps({**facts, "began": time.time()}),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise VisusError(f"{model} in {runtime}: cannot be measured ({reason})")
    return Speed(**json.loads(lines[-1]))


def export_for_benchmark(model: Model, folder: Path, precision: str = "fp32") -> Path:
    """Write a model in PyTorch as an exported one; returns what names it.

    Args:
        model: The model.
        folder: Where to write.
        precision: See `visus.apps.export.onnx_file.export_onnx`; pipelines know `fp32` alone.
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


def _images(source: str | None) -> list[Pixels]:
    if source is None:
        return [make_scene(seed, _SIZE).image for seed in range(_FRAMES)]
    images = []
    for frame in open_source(source).frames():
        images.append(frame.image)
        if len(images) == _FRAMES:
            break
    return images


def _measure(facts: dict[str, Any]) -> Speed:
    cores = int(facts["cores"])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    model = load_model(facts["model"], facts["runtime"])
    images = _images(facts["source"])
    model.predict(images[0])
    starts = time.time() - facts["began"]
    for i in range(_WARM_UP):
        model.predict(images[i % len(images)])
    times: list[float] = []
    while sum(times) < facts["seconds"] or len(times) < len(images):
        image = images[len(times) % len(images)]
        begun = time.perf_counter()
        model.predict(image)
        times.append(time.perf_counter() - begun)
    median, p95 = (1000 * float(value) for value in np.percentile(times, [50, 95]))
    rate, memory = len(times) / sum(times), _most_memory()
    return Speed(model.runtime, model.precision, cores, median, p95, rate, memory, starts)


def _most_memory() -> float:
    """The most that this process held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # The system's other figure begins with what the parent held.
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS, in kilobytes elsewhere.
    return held / (1e6 if sys.platform == "darwin" else 1e3)


def measure_all(name: str, source: str | None = None, seconds: float = 3.0) -> list[Speed]:
    """Measure every installed runtime that can run a model, on one core and on all.

    Args:
        name: See `visus.apps.runs.find_model`; a checkpoint is exported for the other runtimes.
        source: See `measure_runtime`.
        seconds: "

    Returns:
        First those of the runtime that `visus live` takes.

    Raises:
        VisusError: If there is no such model, or a runtime cannot be measured.
    """
    if source is not None and not _images(source):
        raise VisusError(f"source {source!r}: none of its images can be read")
    model = load_model(name)
    counts = sorted({1, usable_cores()})
    with TemporaryDirectory() as folder:
        ways: list[tuple[str, str]] = []
        exported = Path(name)
        if model.runtime == "torch":
            ways.append((name, "torch"))
            exported = export_for_benchmark(model, Path(folder))
        ways += [(str(exported), runtime) for runtime in installed_runtimes()]
        if model.runtime == "torch" and exported.suffix == ".onnx" and computes_bfloat16():
            ways.append((str(export_for_benchmark(model, Path(folder), "bf16")), "openvino"))
        del model
        return [
            measure_runtime(place, runtime, cores, source, seconds)
            for place, runtime in ways
            for cores in counts
        ]


if __name__ == "__main__":
    print(json.dumps(vars(_measure(json.loads(sys.argv[1])))))
