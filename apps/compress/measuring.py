"""How good, how large and how fast a model is on its way to a smaller one."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visus.apps.export.quantisation import write_network
from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.exported import load_exported, tensor_forward
from visus.apps.report.intervals import bootstrap_standard_error
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.loading import make_loader
from visus.tasks.assessment import Assessment
from visus.tasks.base import VisionTask
from visus.vision.model import NetworkModel
from visus.vision.scenes import scene_images

_SECONDS = 2.0
"""For which the networks of two models are run in turns."""


@dataclass(frozen=True)
class MainMetric:
    """The main metric of a model on a split.

    Attributes:
        name: Its name, such as `accuracy`.
        value: Its value.
        standard_error: Its standard error by the bootstrap; None with few samples.
        higher_is_better: Whether a larger value is better.
    """

    name: str
    value: float
    standard_error: float | None
    higher_is_better: bool

    def drop_from(self, other: "MainMetric") -> float:
        """How much worse this value is than another one; negative where it is better."""
        difference = other.value - self.value
        return difference if self.higher_is_better else -difference

    def __str__(self) -> str:
        if self.standard_error is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ± {self.standard_error:.3f}"


@dataclass(frozen=True)
class Latency:
    """The time of a network for one image in a runtime.

    Attributes:
        milliseconds: Its median.
        speedup: By which factor it is faster than the original in float32, in the same minutes.
    """

    milliseconds: float
    speedup: float

    def __str__(self) -> str:
        return f"{self.milliseconds:.2f} ms ({self.speedup:.2f} x)"


@dataclass(frozen=True)
class Measured:
    """A candidate model and its measurements.

    Attributes:
        step: What was done, in words.
        metric: On the validation data.
        multiply_adds: Of the network for one image.
        megabytes: Of the weights, in the precision of the model.
        latencies: By runtime.
    """

    step: str
    metric: MainMetric
    multiply_adds: int
    megabytes: float
    latencies: Mapping[str, Latency]

    @property
    def speedup(self) -> float:
        """In the runtime in which it gained most."""
        return max((each.speedup for each in self.latencies.values()), default=1.0)


def _main_metric(assessment: Assessment) -> MainMetric:
    """The main metric of assessed samples."""
    main = assessment.main

    error = bootstrap_standard_error(
        lambda chosen: assessment.compute(chosen)[main], len(assessment.sources)
    )
    return MainMetric(main, assessment.compute()[main], error, assessment.higher_is_better)


def assess(task: VisionTask, data: VisionDataModule[Any], split: str, batch: int) -> MainMetric:
    """The main metric of a task on a split.

    Args:
        task: In evaluation mode.
        data: Its data.
        split: `val` or `test`.
        batch: Images in a batch.
    """
    batches = make_loader(data.plain_dataset(split), batch, data.num_workers)
    with torch.inference_mode():
        return _main_metric(task.spec.assess(task, batches, data, split))


def assess_file(
    path: Path, task: VisionTask, data: VisionDataModule[Any], split: str
) -> MainMetric:
    """As `assess`, of the exported form of a task in the runtime that is fastest here."""
    model = load_exported(path, installed_runtimes(path.suffix)[0])
    # Lightning and PyTorch call the attribute of the instance.
    vars(task)["forward"] = tensor_forward(model)
    try:
        return assess(task, data, split, batch=1)
    finally:
        del vars(task)["forward"]


def weights_megabytes(task: VisionTask) -> float:
    """Size of the parameters and buffers."""
    size: int = sum(value.nbytes for value in task.state_dict().values())
    return size / 1e6


class Stopwatch:
    """Compares the latency of networks with that of the original, in all installed runtimes.

    Args:
        original: The unpruned task, on the CPU.
    """

    def __init__(self, original: VisionTask) -> None:
        self._folder = TemporaryDirectory()
        self._originals = self._load(original, "fp32.onnx")
        (self._image,) = scene_images(1, (480, 640), original.in_channels)

    def __enter__(self) -> "Stopwatch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._originals = {}
        self._folder.cleanup()

    def measure(self, task: VisionTask) -> dict[str, Latency]:
        """The latency of another task of the same kind, on the CPU, in float32."""
        return self._compare(self._load(task, "other.onnx"))

    def measure_file(self, path: Path) -> dict[str, Latency]:
        """The latency of an exported file."""
        return self._compare(_load_all(path))

    def _compare(self, models: Mapping[str, NetworkModel]) -> dict[str, Latency]:
        latencies = {}
        for name, model in models.items():
            original = self._originals[name]
            latencies[name] = _in_turns(original, model, original.network_inputs(self._image))
        return latencies

    def _load(self, task: VisionTask, name: str) -> dict[str, NetworkModel]:
        path = Path(self._folder.name) / name
        device = task.device
        write_network(task.cpu(), path, "fp32")
        task.to(device)
        return _load_all(path)


def _load_all(path: Path) -> dict[str, NetworkModel]:
    return {name: load_exported(path, name) for name in installed_runtimes(path.suffix)}


def _in_turns(original: NetworkModel, other: NetworkModel, inputs: NDArray[np.uint8]) -> Latency:
    """Run two networks in turns, so that a busy machine slows both."""
    times: dict[int, list[float]] = {0: [], 1: []}
    models = (original, other)
    for model in models:
        model.run(inputs)
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end or len(times[1]) < 5:
        for i, model in enumerate(models):
            start = time.perf_counter()
            model.run(inputs)
            times[i].append(time.perf_counter() - start)
    before, after = (float(np.median(times[i])) for i in (0, 1))
    return Latency(1000 * after, before / after)
