"""Measure how well an exported file agrees with PyTorch, and how fast each runtime is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.loading import bare_torch_model
from visus.tasks.base import VisionTask
from visus.vision.model import Batch, Model
from visus.vision.scenes import scene_images

_Outputs = list[tuple[NDArray[np.float32], ...]]


@dataclass(frozen=True)
class Parity:
    """How an exported file compares with PyTorch on the same images.

    Attributes:
        runtime: The runtime of the file.
        largest_difference: Largest absolute difference of the outputs; see
            `TaskSpec.compare_outputs`.
        agreement: Fraction of equal predictions, 0 to 1.
        milliseconds: Median latency of the network for one image.
    """

    runtime: str
    largest_difference: float
    agreement: float
    milliseconds: float


def measure_parity(
    task: VisionTask, exported: Sequence[Model], batches: Sequence[Batch] = ()
) -> list[Parity]:
    """Run PyTorch and the exported file on the same images.

    Args:
        task: The exported task.
        exported: The file in each runtime.
        batches: Preprocessed images to compare on, each a batch of one; procedural scenes where
            there are none.

    Returns:
        PyTorch's own row first, then one for each of `exported`.
    """
    with task.spec.prepare_export(task):
        reference = bare_torch_model("torch", task)
        if not batches:
            scenes = scene_images(16, (240, 320), task.in_channels)
            batches = [reference.preprocess(image)[0] for image in scenes]
        expected, milliseconds = _outputs(reference, batches)
    measured: list[tuple[Model, _Outputs, float]] = [(reference, expected, milliseconds)]
    measured += [(model, *_outputs(model, batches)) for model in exported]
    results = []
    for model, outputs, milliseconds in measured:
        pairs = [task.spec.compare_outputs(a, b) for a, b in zip(outputs, expected, strict=True)]
        differences, same = zip(*pairs, strict=True)
        agreement = sum(same) / len(same)
        results.append(Parity(model.runtime, max(differences), agreement, milliseconds))
    return results


def _outputs(model: Model, batches: Sequence[Batch]) -> tuple[_Outputs, float]:
    """The outputs for each image, and the median latency in milliseconds.

    For a network with a state the images are the frames of one clip.
    """
    state = model.metadata.initial_state()
    model.run(batches[0], *state)
    outputs, times = [], []
    for batch in batches:
        start = time.perf_counter()
        results = model.run(batch, *state)
        times.append(time.perf_counter() - start)
        outputs.append(results)
        state = results[len(results) - len(state) :]
    return outputs, float(np.median(times)) * 1000
