"""Exported networks against torch, one image at a time: python benchmarks/runtimes.py.

Torch computes in float32, eagerly, as it does by default. Three tasks on EfficientNet-Lite0, each
exported in float32, in int8, and in bfloat16 where this CPU has it. Weights beyond the backbone are
fresh, so that only speeds say something of the rounded ones.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from turns import in_turn

from visus.apps.export.onnx_file import export_onnx, measure_parity
from visus.apps.export.quantisation import export_int8
from visus.apps.inference.backends import computes_bfloat16, installed_runtimes
from visus.apps.inference.loading import ExportedModel, TorchModel
from visus.tasks.base import VisionTask
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.detection.task import DetectionTask
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.model import Model
from visus.vision.scenes import make_scene

_CALIBRATION = 24
"""Scenes from which int8 learns its ranges."""


def main() -> None:
    """Print milliseconds and how many times as fast as torch each runtime is."""
    torch.manual_seed(0)
    names = [f"class {i}" for i in range(20)]
    tasks: dict[str, VisionTask] = {
        "classification 224 x 224": ClassificationTask(
            class_names=names, image_size=(224, 224), pretrained=True
        ),
        "segmentation 480 x 384 (FCN)": SegmentationTask(
            "fcn", class_names=names, image_size=(384, 480), pretrained=True
        ),
        "Faster R-CNN 384 x 288": DetectionTask(
            "faster_rcnn", class_names=names, image_size=(288, 384), pretrained=True
        ),
    }
    for title, task in tasks.items():
        _measure(title, task.eval())


def _measure(title: str, task: VisionTask) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        export_onnx(task, path)
        reference = TorchModel("torch", task)
        models: dict[str, Model] = {"torch fp32": reference}
        for runtime in installed_runtimes():
            models[f"{runtime} fp32"] = ExportedModel(path, runtime)
        if computes_bfloat16():
            faster = Path(folder) / "bf16.onnx"
            export_onnx(task, faster, "bf16")
            models["openvino bf16"] = ExportedModel(faster, "openvino")
        size = task.metadata.image_size
        scenes = [make_scene(seed, size, (3, 8)).image for seed in range(_CALIBRATION)]
        rounded = Path(folder) / "int8.onnx"
        export_int8(task, rounded, [reference.inputs(scene) for scene in scenes])
        for runtime in installed_runtimes():
            models[f"{runtime} int8"] = ExportedModel(rounded, runtime)
        batches = [reference.preprocess(scene)[0] for scene in scenes[:4]]
        seconds = in_turn({name: _over(model, batches) for name, model in models.items()}, 5)
        base = seconds["torch fp32"]
        print(title)
        for name, measured in seconds.items():
            milliseconds = measured / len(batches) * 1000
            print(f"  {name:<18} {milliseconds:7.1f} ms  {base / measured:.2f} times as fast")
        exact = [models[name] for name in models if name.endswith("fp32")]
        for parity in measure_parity(task, exact[1:], [])[1:]:
            print(f"  {parity.runtime}: {parity.agreement:.1%} the same as torch in float32")


def _over(model: Model, batches: list[NDArray[np.uint8]]) -> Callable[[], object]:
    return lambda: [model.run(batch) for batch in batches]


if __name__ == "__main__":
    main()
