"""Latency of the segmenters on one backbone: python benchmarks/segmenters.py.

Configured as in `segmentation/camvid`, without the mirror image; the weights are random.
"""

import argparse

from turns import print_milliseconds

from visus.tasks.base import VisionTask
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.networks import Architecture
from visus.tasks.segmentation.task import SegmentationTask


def main() -> None:
    """Print the parameters of each segmenter, and its median latency relative to U-Net."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, nargs=2, default=(384, 480), help="height and width")
    height, width = parser.parse_args().size
    info = SegmentationInfo(
        image_size=(height, width),
        class_names=tuple(str(number) for number in range(11)),
        in_channels=3,
        resize_mode="letterbox",
    )
    architectures: tuple[Architecture, ...] = ("unet", "fcn", "deeplabv3plus")
    tasks: dict[str, VisionTask] = {
        name: SegmentationTask(data_info=info, architecture=name, channels=64).eval()
        for name in architectures
    }
    for name, task in tasks.items():
        print(f"{name:<28} {sum(p.numel() for p in task.parameters()) / 1e6:7.2f} M parameters")
    print_milliseconds(tasks, (height, width))


if __name__ == "__main__":
    main()
