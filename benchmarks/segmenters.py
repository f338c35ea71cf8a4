"""Milliseconds an image of the segmenters on one backbone: python benchmarks/segmenters.py.

As `segmentation/camvid` configures them, but without the mirror image; the weights are fresh.
"""

import argparse

from turns import print_milliseconds

from visus.tasks.segmentation.task import SegmentationTask


def main() -> None:
    """Print parameters, and the median of each with its ratio to U-Net."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, nargs=2, default=(384, 480), help="height and width")
    height, width = parser.parse_args().size
    tasks = {
        name: SegmentationTask(
            name,
            channels=64,
            class_names=[str(number) for number in range(11)],
            image_size=(height, width),
        ).eval()
        for name in ("unet", "fcn", "deeplabv3plus")
    }
    for name, task in tasks.items():
        print(f"{name:<28} {sum(p.numel() for p in task.parameters()) / 1e6:7.2f} M parameters")
    print_milliseconds(tasks, (height, width))


if __name__ == "__main__":
    main()
