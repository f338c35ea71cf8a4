"""Write a task as one ONNX file with its metadata."""

import json
import warnings
from pathlib import Path

import onnx
import torch

from visus.apps.inference.backends import METADATA_KEY, PRECISION_KEY
from visus.tasks.base import VisionTask
from visus.vision.resize import to_channels, to_planes
from visus.vision.scenes import make_scene

OPSET = 18


def export_onnx(task: VisionTask, path: Path, precision: str = "fp32") -> None:
    """Write the task's `forward`, uint8 images to outputs.

    The file takes batches of any size, or one image at a time where the size of the outputs depends
    on the image.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
        precision: `fp32`, or `bf16` for a file that computes in bfloat16 where CPU and runtime
            support it; for int8 see `visus.apps.export.quantisation`.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode(), task.spec.prepare_export(task):
        warnings.simplefilter("ignore")
        if task.spec.export.exporter == "torchscript":
            _trace(task, part)
        else:
            _export_any_batch(task, part)
    model = onnx.load(part)
    metadata = json.dumps(task.metadata.to_dict())
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata, PRECISION_KEY: precision})
    onnx.checker.check_model(model)
    onnx.save(model, part)
    # Only a finished file gets the name.
    part.replace(path)


def _export_any_batch(task: VisionTask, part: Path) -> None:
    example = torch.zeros((2, task.in_channels, *task.image_size), dtype=torch.uint8)
    program = torch.onnx.export(
        task,
        (example,),
        input_names=["images"],
        output_names=list(task.spec.export.output_names[: len(task(example))]),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.save(part, external_data=False)


def _trace(task: VisionTask, part: Path) -> None:
    """Export by the TorchScript exporter: the newer one fails on output sizes that vary.

    It traces the network's operations on one image, so that the image must contain objects.
    """
    scene = make_scene(1, task.image_size, (3, 8)).image
    images = torch.from_numpy(to_planes(to_channels(scene, task.in_channels))[None])
    names = list(task.spec.export.output_names[: len(task(images))])
    torch.onnx.export(
        task,
        (images,),
        part,
        input_names=["images"],
        output_names=names,
        dynamic_axes={name: dict(task.spec.export.dynamic_axes) for name in names},
        opset_version=OPSET,
        dynamo=False,
    )
