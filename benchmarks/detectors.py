"""Milliseconds an image of the detectors on one backbone, in turn: python benchmarks/detectors.py.

The weights are fresh: how long a detector takes depends on its proposals, not on what it learnt.
"""

import argparse

import torch
from turns import print_milliseconds

from visus.tasks.detection.task import DetectionTask


def main() -> None:
    """Print the median of each, and the ratios to Faster R-CNN with torchvision's proposals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, nargs=2, default=(288, 384), help="height and width")
    height, width = parser.parse_args().size
    tasks = {
        "faster_rcnn, 1000 proposals": _task("faster_rcnn", height, width, 1000),
        "faster_rcnn, 200 proposals": _task("faster_rcnn", height, width, 200),
        "one_stage": _task("one_stage", height, width, 200),
    }
    print_milliseconds(tasks, (height, width))


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
