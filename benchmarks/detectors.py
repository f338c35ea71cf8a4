"""Milliseconds per image of the detectors on one backbone: python benchmarks/detectors.py.

The weights are random: the time depends on the number of proposals, not on the weights.
"""

import argparse

import torch
from turns import print_milliseconds

from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask


def main() -> None:
    """Print the median of each, relative to Faster R-CNN with torchvision's 1,000 proposals."""
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
    info = DetectionInfo(
        image_size=(height, width),
        class_names=("a", "b", "c"),
        in_channels=3,
        resize_mode="letterbox",
    )
    return DetectionTask(
        data_info=info,
        architecture=architecture,  # type: ignore[arg-type]
        proposals=proposals,
    ).eval()


if __name__ == "__main__":
    main()
