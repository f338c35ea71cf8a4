"""Write a task as one ONNX file with its metadata."""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from visus.apps.inference.backends import DIGEST_KEY, METADATA_KEY, PRECISION_KEY
from visus.apps.inference.integrity import BLANK_DIGEST, fill_in_digest
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import refuse_non_finite_weights
from visus.vision.output_files import replacing
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

    Raises:
        VisusError: If the weights are not finite, or the file cannot be written.
    """
    refuse_non_finite_weights(task.state_dict(), f"{path}: not exported, the")
    with warnings.catch_warnings(), torch.inference_mode(), task.spec.prepare_export(task):
        warnings.simplefilter("ignore")
        traced = task.spec.export.exporter == "torchscript"
        model = _trace(task) if traced else _export_any_batch(task)
    metadata = json.dumps(task.metadata.to_dict())
    save_onnx(model, path, {METADATA_KEY: metadata, PRECISION_KEY: precision})


def save_onnx(model: onnx.ModelProto, path: Path, properties: Mapping[str, str]) -> None:
    """Check a model, and write it with properties and a digest of the file.

    Args:
        model: The model.
        path: Where to write.
        properties: Replace those that the model has.

    Raises:
        VisusError: If it cannot be written; an earlier file is unchanged.
    """
    onnx.helper.set_model_props(model, {**properties, DIGEST_KEY: BLANK_DIGEST})
    onnx.checker.check_model(model)
    with replacing(path) as part:
        onnx.save(model, part)
        fill_in_digest(part)


def state_names(count: int) -> list[str]:
    """Names of the inputs that hold a network's state; the outputs are those with `new_` before."""
    return [f"state_{i}" for i in range(count)]


def _export_any_batch(task: VisionTask) -> onnx.ModelProto:
    image = torch.zeros((2, task.in_channels, *task.image_size), dtype=torch.uint8)
    state = [torch.zeros(2, *shape) for shape in task.metadata.state_shapes]
    states = state_names(len(state))
    outputs = len(task(image, *state)) - len(state)
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.onnx.export(
        task,
        (image, *state),
        input_names=["images", *states],
        output_names=[
            *task.spec.export.output_names[:outputs],
            *(f"new_{name}" for name in states),
        ],
        dynamic_shapes=(batch, (batch,) * len(state)) if state else (batch,),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return program.model_proto


def _trace(task: VisionTask) -> onnx.ModelProto:
    """Export by the TorchScript exporter: the newer one fails on output sizes that vary.

    It traces the network's operations on one image, so that the image must contain objects.
    """
    scene = make_scene(1, task.image_size, (3, 8)).image
    images = torch.from_numpy(to_planes(to_channels(scene, task.in_channels))[None])
    names = list(task.spec.export.output_names[: len(task(images))])
    written = io.BytesIO()
    torch.onnx.export(
        task,
        (images,),
        written,  # type: ignore[arg-type]  # its annotation lacks streams
        input_names=["images"],
        output_names=names,
        dynamic_axes={name: dict(task.spec.export.dynamic_axes) for name in names},
        opset_version=OPSET,
        dynamo=False,
    )
    return onnx.load_model_from_string(written.getvalue())
