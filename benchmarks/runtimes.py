"""Latency of exported networks against PyTorch: python benchmarks/runtimes.py.

PyTorch computes in float32, eagerly, the default. Three tasks on EfficientNet-Lite0, each exported
in float32, in int8, and in bfloat16 where this CPU supports it. Weights other than the backbone's
are random, so that the agreement is measured in float32 only.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from turns import in_turn

from visus.apps.export.onnx_file import export_onnx
from visus.apps.export.parity import measure_parity
from visus.apps.export.quantisation import export_int8
from visus.apps.inference.backends import computes_bfloat16, installed_runtimes
from visus.apps.inference.exported import load_exported
from visus.apps.inference.loading import bare_torch_model
from visus.tasks.base import VisionTask
from visus.tasks.registry import task_spec
from visus.vision.model import Model
from visus.vision.scenes import make_scene

_CALIBRATION = 24
"""Number of scenes that set the ranges of int8."""


def main() -> None:
    """Print the latency of each runtime and its speed-up over PyTorch."""
    torch.manual_seed(0)
    tasks: dict[str, VisionTask] = {
        "classification 224 x 224": _build("classification", (224, 224)),
        "segmentation 480 x 384 (FCN)": _build("segmentation", (384, 480), architecture="fcn"),
        "Faster R-CNN 384 x 288": _build("detection", (288, 384), architecture="faster_rcnn"),
    }
    for title, task in tasks.items():
        _measure(title, task.eval())


def _build(name: str, size: tuple[int, int], **arguments: Any) -> VisionTask:
    """A task with a pretrained backbone for images of (height, width) pixels."""
    spec = task_spec(name)
    info = spec.data_info(
        image_size=size,
        class_names=tuple(f"class {i}" for i in range(20)),
        in_channels=3,
        resize_mode="stretch",
    )
    return spec.lightning_class()(data_info=info, pretrained=True, **arguments)


def _measure(title: str, task: VisionTask) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        export_onnx(task, path)
        reference = bare_torch_model("torch", task)
        models: dict[str, Model] = {"torch fp32": reference}
        for runtime in installed_runtimes():
            models[f"{runtime} fp32"] = load_exported(path, runtime)
        if computes_bfloat16():
            faster = Path(folder) / "bf16.onnx"
            export_onnx(task, faster, "bf16")
            models["openvino bf16"] = load_exported(faster, "openvino")
        size = task.metadata.image_size
        scenes = [make_scene(seed, size, (3, 8)).image for seed in range(_CALIBRATION)]
        quantised = Path(folder) / "int8.onnx"
        export_int8(task, quantised, [reference.network_inputs(scene) for scene in scenes])
        for runtime in installed_runtimes():
            models[f"{runtime} int8"] = load_exported(quantised, runtime)
        batches = [reference.preprocess(scene)[0] for scene in scenes[:4]]
        seconds = in_turn({name: _run_all(model, batches) for name, model in models.items()}, 5)
        base = seconds["torch fp32"]
        print(title)
        for name, measured in seconds.items():
            milliseconds = measured / len(batches) * 1000
            print(f"  {name:<18} {milliseconds:7.1f} ms  {base / measured:.2f}x")
        exact = [models[name] for name in models if name.endswith("fp32")]
        for parity in measure_parity(task, exact[1:], [])[1:]:
            print(f"  {parity.runtime}: {parity.agreement:.1%} of predictions equal PyTorch")


def _run_all(model: Model, batches: list[NDArray[np.uint8]]) -> Callable[[], object]:
    return lambda: [model.run(batch) for batch in batches]


if __name__ == "__main__":
    main()
