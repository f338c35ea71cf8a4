"""FCN of visus and U-Net of segmentation_models.pytorch in OpenVINO, in each precision.

python benchmarks/segmentation_runtimes.py

11 classes, images of 480 x 384, one at a time, random weights: from float images to logits at the
images' size, the same work for all, measured in turn. int8 is calibrated on procedural scenes.
"""

import io
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import nncf
import numpy as np
import openvino as ov
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from turns import in_turn

from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.resize import to_planes
from visus.vision.scenes import make_scene

SIZE = (384, 480)
CLASSES = 11
SCENES = 24


def main() -> None:
    """Print multiply-adds, and the median latency of each network relative to visus's FCN."""
    torch.manual_seed(0)
    logging.getLogger("nncf").setLevel(logging.ERROR)
    info = SegmentationInfo(
        image_size=SIZE,
        class_names=tuple(map(str, range(CLASSES))),
        in_channels=3,
        resize_mode="letterbox",
    )
    fcn = SegmentationTask(data_info=info, architecture="fcn")
    networks: dict[str, nn.Module] = {
        "visus FCN, lite0": nn.Sequential(fcn.network, nn.Upsample(SIZE, mode="bilinear")),
        "U-Net, MobileNetV2": smp.Unet("mobilenet_v2", encoder_weights=None, classes=CLASSES),
        "U-Net, lite0": smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=CLASSES),
    }
    scenes = [make_scene(seed, SIZE, (3, 8)).image for seed in range(SCENES)]
    images = [to_planes(scene)[None].astype(np.float32) / 127.5 - 1 for scene in scenes]
    calls = {}
    for name, network in networks.items():
        network.eval()
        example = torch.from_numpy(images[0])
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            assert network(example).shape == (1, CLASSES, *SIZE)
        print(f"{name}: {counter.get_total_flops() / 2e6:.0f} million multiply-adds")
        for precision, call in _precisions(network, images).items():
            calls[precision, name] = call
    seconds = in_turn({str(key): call for key, call in calls.items()})
    for precision, name in sorted(calls, key=lambda key: key[0]):
        measured = seconds[str((precision, name))]
        base = seconds[str((precision, next(iter(networks))))]
        print(f"{precision:<9} {name:<20} {measured * 1000:7.1f} ms  {measured / base:.2f}")


def _precisions(
    network: nn.Module, images: list[NDArray[np.float32]]
) -> dict[str, Callable[[], object]]:
    """Calls of a network in each precision."""
    exact = ov.convert_model(network, example_input=torch.from_numpy(images[0]))
    exact.reshape(images[0].shape)
    with redirect_stdout(io.StringIO()):
        quantised = nncf.quantize(exact, nncf.Dataset(images), subset_size=len(images))
    core = ov.Core()

    def compiled(model: Any, precision: str) -> Callable[[], object]:
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        request = core.compile_model(model, "CPU", hints).create_infer_request()
        return lambda: request.infer([images[0]])

    calls = {"float32": compiled(exact, "f32"), "int8": compiled(quantised, "f32")}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        calls["bfloat16"] = compiled(exact, "bf16")
    return calls


if __name__ == "__main__":
    main()
