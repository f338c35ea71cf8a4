"""Measure how well an exported file agrees with PyTorch, and how fast each runtime is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.loading import bare_torch_model
from visus.tasks.base import VisionTask
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.scenes import make_scene


@dataclass(frozen=True)
class Parity:
    """How an exported file compares with PyTorch on the same images.

    Attributes:
        runtime: What ran the file.
        largest_difference: Largest absolute difference of any output number.
        agreement: Share of equal answers, 0 to 1; see `TaskSpec.compare_outputs`.
        milliseconds: Median time for one image.
    """

    runtime: str
    largest_difference: float
    agreement: float
    milliseconds: float


def measure_parity(
    task: VisionTask, exported: Sequence[Model], images: list[Pixels]
) -> list[Parity]:
    """Run PyTorch and what was exported from it, in turn, on the same images.

    Args:
        task: What was exported.
        exported: The file in each runtime.
        images: Images to compare on; procedural scenes are used where there are none.
    """
    images = images or _scenes(task.in_channels)
    with task.spec.prepare_export(task):
        reference = bare_torch_model("torch", task)
        batches = [reference.preprocess(image)[0] for image in images]
        expected, milliseconds = _outputs(reference, batches)
    measured = [(reference, expected, milliseconds)]
    measured += [(model, *_outputs(model, batches)) for model in exported]
    results = []
    for model, found, milliseconds in measured:
        pairs = [task.spec.compare_outputs(a, b) for a, b in zip(found, expected, strict=True)]
        differences, same = zip(*pairs, strict=True)
        agreement = sum(same) / len(same)
        results.append(Parity(model.runtime, max(differences), agreement, milliseconds))
    return results


def _scenes(channels: int) -> list[Pixels]:
    """Procedural scenes; their channels repeated where more are needed."""
    scenes = [make_scene(seed, (240, 320)).image for seed in range(16)]
    if channels in (1, 3):
        return scenes
    return [np.ascontiguousarray(s[..., np.arange(channels) % 3]) for s in scenes]


def _outputs(
    model: Model, batches: list[NDArray[np.uint8]]
) -> tuple[list[tuple[NDArray[np.float32], ...]], float]:
    """The outputs for each image, and the median milliseconds an image."""
    model.run(batches[0])
    outputs, times = [], []
    for batch in batches:
        start = time.perf_counter()
        outputs.append(model.run(batch))
        times.append(time.perf_counter() - start)
    return outputs, float(np.median(times)) * 1000
