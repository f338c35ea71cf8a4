"""Write a task as one ONNX file with its metadata, and measure how well it agrees with PyTorch."""

import json
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from visus.apps.inference.networks_tmp import METADATA_KEY, PRECISION_KEY
from visus.apps.inference.runtimes_tmp import Model, TorchModel
from visus.tasks.detection.networks import TwoStageDetector
from visus.tasks.base import VisionTask
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.detection.task import DetectionTask
from visus.vision.resize import to_channels, to_planes
from visus.vision.images import Pixels
from visus.vision.scenes import make_scene

OPSET = 18


@dataclass(frozen=True)
class Parity:
    """How an exported file compares with PyTorch on the same pictures.

    Attributes:
        runtime: What ran the file.
        largest_difference: Largest absolute difference of any output number.
        agreement: Share of pictures, 0 to 1, with the same best answer; of a detector, with the
            same objects; of a segmenter, share of pixels with the same class.
        milliseconds: Median time for one picture.
    """

    runtime: str
    largest_difference: float
    agreement: float
    milliseconds: float


_OUTPUT_NAMES = {
    "captioning": ["words", "totals", "looks"],
    "face_recognition": ["embeddings"],
}


def export_onnx(task: VisionTask, path: Path, precision: str = "fp32") -> None:
    """Write the task's `forward`, uint8 pictures to outputs.

    The file takes batches of any size, that of a detector one picture at a time; that of a
    captioner writes the surest word each time.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
        precision: `fp32`, or `bf16` for a file that computes in bfloat16 where CPU and runtime can;
            `apps.quantise` makes one of int8.
    """
    metadata = task.metadata
    if isinstance(task, CaptioningTask):
        # A search would stop at a moment that depends on the picture.
        task.beams = 1
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        if metadata.task == "detection":
            _trace_detector(task, part)
        else:
            _export_any_batch(task, part)
    model = onnx.load(part)
    properties = {METADATA_KEY: json.dumps(metadata.to_dict()), PRECISION_KEY: precision}
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, part)
    # Only a finished file gets the name.
    part.replace(path)


def _export_any_batch(task: VisionTask, part: Path) -> None:
    shape = (2, task.metadata.in_channels, *task.metadata.image_size)
    example = torch.zeros(shape, dtype=torch.uint8)
    program = torch.onnx.export(
        task,
        (example,),
        input_names=["images"],
        output_names=_OUTPUT_NAMES.get(task.task, ["logits"])[: len(task(example))],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.save(part, external_data=False)


def _trace_detector(task: VisionTask, part: Path) -> None:
    """By the older exporter: the newer one cannot follow that the number of boxes depends on them.

    It records what a picture makes the network do, so that the picture must show something.
    """
    assert isinstance(task, DetectionTask)
    metadata = task.metadata
    scene = make_scene(1, metadata.image_size, (3, 8)).image
    images = torch.from_numpy(to_planes(to_channels(scene, metadata.in_channels))[None])
    names = ["boxes", "scores", "labels", "masks"][: len(task(images))]
    network = task.network
    with network.of_one_size() if isinstance(network, TwoStageDetector) else nullcontext():
        torch.onnx.export(
            task,
            (images,),
            part,
            input_names=["images"],
            output_names=names,
            dynamic_axes={name: {1: "detections"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )


def measure_parity(
    task: VisionTask, exported: Sequence[Model], images: list[Pixels]
) -> list[Parity]:
    """Run PyTorch and what was exported from it, in turn, on the same pictures.

    Args:
        task: What was exported.
        exported: The file in each runtime.
        images: Pictures to compare on; procedural scenes are used where there are none.
    """
    reference = TorchModel("torch", task)
    images = images or _scenes(task.in_channels)
    batches = [reference.prepare(image)[0] for image in images]
    models: list[Model] = [reference, *exported]
    compare = _COMPARISONS[task.task]
    expected, _ = _outputs(reference, batches)
    results = []
    for model in models:
        found, milliseconds = _outputs(model, batches)
        pairs = [compare(a, b) for a, b in zip(found, expected, strict=True)]
        differences, same = zip(*pairs, strict=True)
        agreement = sum(same) / len(same)
        results.append(Parity(model.runtime, max(differences), agreement, milliseconds))
    return results


def _scenes(channels: int) -> list[Pixels]:
    """Procedural scenes; their colours again and again where more channels are needed."""
    scenes = [make_scene(seed, (240, 320)).image for seed in range(16)]
    if channels in (1, 3):
        return scenes
    return [np.ascontiguousarray(s[..., np.arange(channels) % 3]) for s in scenes]


_Outputs = tuple[NDArray[np.float32], ...]


def _compare_logits(found: _Outputs, expected: _Outputs) -> tuple[float, float]:
    """The largest difference, and whether the best answer is the same."""
    same = bool((found[0].argmax(1) == expected[0].argmax(1)).all())
    return float(np.abs(found[0] - expected[0]).max()), same


def _compare_objects(found: _Outputs, expected: _Outputs) -> tuple[float, float]:
    """The largest difference of a box's side in pixels, and whether all objects are the same.

    Only objects with a score of at least 0.05 count, and equal scores may change places.
    """
    a, b = (np.flatnonzero(outputs[1][0] >= 0.05) for outputs in (found, expected))
    if len(a) != len(b):
        return 0.0, False
    if len(a) == 0:
        return 0.0, True
    sides = np.abs(found[0][0, a][:, None] - expected[0][0, b][None]).max(-1)
    other = found[2][0, a][:, None] != expected[2][0, b][None]
    nearest = np.where(other, np.inf, sides).min(1)
    if not np.isfinite(nearest).all():
        return 0.0, False
    return float(nearest.max()), bool(nearest.max() < 1)


def _compare_pixels(found: _Outputs, expected: _Outputs) -> tuple[float, float]:
    """The largest difference, and the share of places that have the same class."""
    same = found[0].argmax(1) == expected[0].argmax(1)
    return float(np.abs(found[0] - expected[0]).max()), float(same.mean())


def _compare_captions(found: _Outputs, expected: _Outputs) -> tuple[float, float]:
    """The largest difference of a log-probability, and whether the captions are the same."""
    same = bool((found[0] == expected[0]).all())
    return float(np.abs(found[1] - expected[1]).max()), same


_COMPARISONS = {
    "captioning": _compare_captions,
    "classification": _compare_logits,
    "detection": _compare_objects,
    "segmentation": _compare_pixels,
}


def _outputs(model: Model, batches: list[NDArray[np.uint8]]) -> tuple[list[_Outputs], float]:
    """The outputs for each picture, and the median milliseconds a picture."""
    model.run(batches[0])
    outputs: list[_Outputs] = []
    times = []
    for batch in batches:
        start = time.perf_counter()
        outputs.append(model.run(batch))
        times.append(time.perf_counter() - start)
    return outputs, float(np.median(times)) * 1000
