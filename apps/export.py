"""Write a task as one ONNX file with its metadata, and measure how well it agrees with PyTorch."""

import json
import time
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from apps.runtimes import METADATA_KEY, Model, OnnxRuntimeModel, OpenVinoModel, TorchModel
from tasks.base import VisionTask
from vision.images import read_image
from vision.scenes import make_scene

OPSET = 18


@dataclass(frozen=True)
class Parity:
    """How an exported file compares with PyTorch on the same pictures.

    Attributes:
        runtime: What ran the file.
        largest_difference: Largest absolute difference of any output number.
        agreement: Share of pictures, 0 to 1, with the same best answer.
        milliseconds: Median time for one picture.
    """

    runtime: str
    largest_difference: float
    agreement: float
    milliseconds: float


def export_onnx(task: VisionTask, path: Path) -> None:
    """Write the task's `forward`, uint8 pictures to outputs, for any batch size.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
    """
    metadata = task.metadata
    example = torch.zeros(2, metadata.in_channels, *metadata.image_size, dtype=torch.uint8)
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            task,
            (example,),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.save(part, external_data=False)
    model = onnx.load(part)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata.to_dict())})
    onnx.checker.check_model(model)
    onnx.save(model, part)
    # Only a finished file gets the name.
    part.replace(path)


def measure_parity(task: VisionTask, path: Path, pictures: list[Path]) -> list[Parity]:
    """Run the file in every installed runtime and PyTorch, in turn, on the same pictures.

    Args:
        task: What was exported.
        path: The file.
        pictures: Pictures to compare on; procedural scenes are used where there are none.
    """
    reference = TorchModel("torch", task)
    images = [read_image(picture) for picture in pictures] or [
        make_scene(seed, (240, 320)).image for seed in range(16)
    ]
    batches = [reference.prepare(image)[0] for image in images]
    models: list[Model] = [reference, OnnxRuntimeModel(path)]
    if find_spec("openvino"):
        models.append(OpenVinoModel(path))
    expected, _ = _outputs(reference, batches)
    results = []
    for model in models:
        found, milliseconds = _outputs(model, batches)
        same = (found.argmax(1) == expected.argmax(1)).mean()
        difference = float(np.abs(found - expected).max())
        results.append(Parity(model.runtime, difference, float(same), milliseconds))
    return results


def _outputs(model: Model, batches: list[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], float]:
    """The first output for all pictures, and the median milliseconds a picture."""
    model.run(batches[0])
    outputs, times = [], []
    for batch in batches:
        start = time.perf_counter()
        outputs.append(model.run(batch)[0])
        times.append(time.perf_counter() - start)
    return np.concatenate(outputs), float(np.median(times)) * 1000
