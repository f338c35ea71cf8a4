"""Throughput of `visus predict` in PyTorch against the network alone: benchmarks/prediction.py.

A folder of JPEG files of 640 x 480 and a video of the same images, predicted to JSON Lines. Beside
it the network computes the same number of images in batches of the same size, preprocessed before
the clock starts. Both run in turn. Weights are random: they do not affect the speed, except that of
Faster R-CNN, whose number of regions they decide.
"""

import argparse
import os
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visus.apps.inference.loading import torch_model
from visus.apps.live.sinks.encoders import open_encoder
from visus.apps.live.sources import open_source
from visus.apps.predicting import predict_all
from visus.tasks.options import Session
from visus.tasks.registry import task_spec
from visus.vision.cores import configure_threads
from visus.vision.drawing.grid import to_bgr
from visus.vision.model import Model
from visus.vision.output_files import write_image
from visus.vision.scenes import make_scene

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask

_SIZE = (480, 640)
_RATE = 25.0
_MODELS: dict[str, tuple[str, tuple[int, int], dict[str, Any]]] = {
    "classification": ("classification", (224, 224), {}),
    "segmentation": ("segmentation", (256, 256), {"architecture": "fcn"}),
    "one-stage": ("detection", (256, 256), {"architecture": "one_stage"}),
    "faster-rcnn": ("detection", (288, 384), {"architecture": "faster_rcnn"}),
}


def main() -> None:
    """Print the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400, help="number of images and frames")
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(_MODELS))
    args = parser.parse_args()
    # As the command does, before torch is imported.
    configure_threads()
    import torch

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder, clip = Path(name) / "images", Path(name) / "clip.mp4"
        _write_sources(folder, clip, args.images)
        for title in args.models:
            task, size, arguments = _MODELS[title]
            _measure(title, _build(task, size, arguments), {"folder": folder, "video": clip})


def _write_sources(folder: Path, clip: Path, count: int) -> None:
    height, width = _SIZE
    encoder = open_encoder(clip, _RATE, (width, height))
    folder.mkdir()
    for i in range(count):
        image = make_scene(i, _SIZE, (3, 8)).image
        write_image(folder / f"{i:05d}.jpg", image)
        encoder.write(to_bgr(image))
    encoder.close()


def _build(name: str, size: tuple[int, int], arguments: dict[str, Any]) -> "VisionTask":
    """A task for images of (height, width) pixels."""
    spec = task_spec(name)
    info = spec.data_info(
        image_size=size,
        class_names=tuple(f"class {i}" for i in range(20)),
        in_channels=3,
        resize_mode="stretch",
    )
    return spec.lightning_class()(data_info=info, **arguments)


def _measure(title: str, task: "VisionTask", sources: dict[str, Path]) -> None:
    import torch
    from turns import in_turn

    model = torch_model(title, task)
    batches = _preprocessed(model, sources["folder"])
    count = sum(len(batch) for batch in batches)

    def run_network() -> None:
        for batch in batches:
            model.run(batch)

    def run_one_by_one() -> None:
        for batch in batches:
            for image in batch:
                model.run(image[None])

    def predict(path: Path) -> None:
        source = open_source(str(path))
        with (
            tempfile.TemporaryDirectory() as output,
            open(os.devnull, "w") as unseen,
            redirect_stdout(unseen),
            redirect_stderr(unseen),
        ):
            predict_all(Session(model), source, jsonl=f"{output}/out.jsonl")

    seconds = in_turn(
        {
            "network, single images": run_one_by_one,
            "network": run_network,
            **{name: partial(predict, path) for name, path in sources.items()},
        },
        repeats=1,
    )
    print(f"{title}: {model.batch_size} images a batch, {torch.get_num_threads()} threads")
    for name, measured in seconds.items():
        ratio = seconds["network"] / measured
        print(f"  {name:<24} {count / measured:7.1f} images/s  {ratio:.3f}", flush=True)


def _preprocessed(model: Model, folder: Path) -> list[np.ndarray[Any, Any]]:
    """The network's input for the images of a folder, in batches."""
    inputs = [model.preprocess(frame.image)[0] for frame in open_source(str(folder)).frames()]
    size = model.batch_size
    return [np.concatenate(inputs[i : i + size]) for i in range(0, len(inputs), size)]


if __name__ == "__main__":
    main()
