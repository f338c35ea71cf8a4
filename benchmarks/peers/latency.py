"""Latency from an image to its boxes: detectors of visus, and Ultralytics' smallest, in OpenVINO.

python benchmarks/peers/latency.py MODEL... --images FOLDER

Each image is fitted into the input size of the first model; all are measured in turn, one image at
a time on all cores, in bfloat16 where the processor computes it. Ultralytics' network needs no
non-maximum suppression; its images are resized and its boxes mapped back by the functions of visus.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino as ov
from environments import default_folder, interpreter

from visus.apps.inference.backends import computes_bfloat16
from visus.apps.inference.exported import load_exported
from visus.vision.image_files import list_images
from visus.vision.images import Pixels, read_image
from visus.vision.resize import resize_to_input, to_planes

sys.path.append(str(Path(__file__).parents[1]))
from turns import in_turn

PEER = "ultralytics"
NETWORK = "yolo26n"
IMAGES = 32
THRESHOLD = 0.25


def main() -> None:
    """Print the median milliseconds of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="runs or checkpoints of detectors")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--environments", type=Path, default=default_folder())
    given = parser.parse_args()
    images = [read_image(path) for path in list_images(given.images)[:IMAGES]]
    precision = "bf16" if computes_bfloat16() else "fp32"
    calls: dict[str, Callable[[], object]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        size = (0, 0)
        for i, model in enumerate(given.models):
            path = folder / f"{i}.onnx"
            _export(model, path, precision)
            detector = load_exported(path, "openvino")
            size = detector.metadata.image_size if i == 0 else size
            calls[model] = lambda detector=detector: [detector.predict(each) for each in images]  # type: ignore[misc]
        network = _export_peer(given.environments, folder, size)
        peer = _peer(network, size, "bf16" if precision == "bf16" else "f32")
        calls[NETWORK] = lambda: [peer(each) for each in images]
    print(f"{size[1]} x {size[0]}, {precision}, {len(images)} images of {given.images}")
    for name, seconds in in_turn(calls, 2).items():
        print(f"  {name:<40} {seconds / len(images) * 1000:6.2f} ms an image")


def _export(model: str, path: Path, precision: str) -> None:
    program = str(Path(sys.executable).with_name("visus"))
    options = ["--output", str(path), "--precision", precision]
    subprocess.run([program, "export", model, *options], check=True, stdout=subprocess.DEVNULL)


def _export_peer(environments: Path, folder: Path, size: tuple[int, int]) -> Path:
    """The peer's network with random weights as ONNX, written by its own program."""
    program = str(interpreter(PEER, environments).with_name("yolo"))
    shape = f"imgsz={size[0]},{size[1]}"
    options = [f"model={NETWORK}.yaml", "format=onnx", "simplify=False", shape]
    subprocess.run([program, "export", *options], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / f"{NETWORK}.onnx"


def _peer(path: Path, size: tuple[int, int], hint: str) -> Callable[[Pixels], Sequence[float]]:
    """From an image to the boxes of the peer's network, in pixels of the image."""
    core = ov.Core()
    options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(path), "CPU", options).create_infer_request()

    def predict(image: Pixels) -> Sequence[float]:
        resized, geometry = resize_to_input(image, size, "letterbox")
        planes = to_planes(resized)[None].astype(np.float32) / 255
        # Rows of x1, y1, x2, y2, score and class.
        rows = next(iter(request.infer([planes]).values()))[0]
        found = rows[rows[:, 4] > THRESHOLD]
        return [*geometry.boxes_to_source(found[:, :4]).flatten().tolist(), *found[:, 4].tolist()]

    return predict


if __name__ == "__main__":
    main()
