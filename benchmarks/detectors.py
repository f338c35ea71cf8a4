"""Milliseconds a picture of the detectors on one backbone, in turn: python benchmarks/detectors.py.

The weights are fresh: how long a detector takes depends on its proposals, not on what it learnt.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from tasks import DetectionTask
from vision.scenes import make_scene

ROUNDS = 5
PICTURES = 10


def main() -> None:
    """Print the median of each, and the ratios to Faster R-CNN with torchvision's proposals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, nargs=2, default=(288, 384), help="height and width")
    args = parser.parse_args()
    height, width = args.size
    tasks = {
        "faster_rcnn, 1000 proposals": _task("faster_rcnn", height, width, 1000),
        "faster_rcnn, 200 proposals": _task("faster_rcnn", height, width, 200),
        "one_stage": _task("one_stage", height, width, 200),
    }
    scenes = [make_scene(seed, (height, width), (3, 8)).image for seed in range(PICTURES)]
    images = [torch.from_numpy(np.ascontiguousarray(s.transpose(2, 0, 1)[None])) for s in scenes]
    times: dict[str, list[float]] = {name: [] for name in tasks}
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, task in tasks.items():
                task(images[0])
                start = time.perf_counter()
                for image in images:
                    task(image)
                times[name].append((time.perf_counter() - start) / PICTURES * 1000)
    print(f"{width} x {height}, one picture at a time, torch float32, medians of {ROUNDS} rounds")
    base = statistics.median(times["faster_rcnn, 1000 proposals"])
    for name, measured in times.items():
        middle = statistics.median(measured)
        print(f"{name:<28} {middle:7.1f} ms  {middle / base:.2f}")


def _task(architecture: str, height: int, width: int, proposals: int) -> DetectionTask:
    torch.manual_seed(0)
    return DetectionTask(
        architecture,  # type: ignore[arg-type]
        class_names=["a", "b", "c"],
        image_size=(height, width),
        proposals=proposals,
    ).eval()


if __name__ == "__main__":
    main()
