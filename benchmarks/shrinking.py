"""Time of downsampling by `visus.vision.resize` against OpenCV's area interpolation.

python benchmarks/shrinking.py
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from skimage import data
from turns import in_turn

from visus.vision.images import Pixels
from visus.vision.resize import resize_to_input

SIZES = [
    ((480, 480), (224, 224)),
    ((480, 640), (288, 384)),
    ((500, 375), (224, 224)),
    ((1080, 1080), (224, 224)),
    ((1080, 1920), (288, 384)),
    ((3024, 4032), (288, 384)),
]
"""(height, width) in pixels, before and after."""


def main() -> None:
    """Print the times of both, and the mean difference of their images."""
    cv2.setNumThreads(1)
    photograph: Pixels = data.astronaut()  # type: ignore[no-untyped-call]
    for size, small in SIZES:
        image = np.asarray(cv2.resize(photograph, size[::-1]), np.uint8)
        calls: dict[str, Callable[[], Any]] = {
            "area": partial(cv2.resize, image, small[::-1], interpolation=cv2.INTER_AREA),
            "visus": partial(resize_to_input, image, small, "stretch"),
        }
        seconds = in_turn(calls, repeats=50)
        area, ours = calls["area"](), calls["visus"]()[0]
        difference = np.abs(area.astype(float) - ours).mean()
        print(
            f"{size[1]} x {size[0]} to {small[1]} x {small[0]}: "
            + ", ".join(f"{name} {1000 * each:.2f} ms" for name, each in seconds.items())
            + f", ratio {seconds['visus'] / seconds['area']:.2f}; "
            f"mean difference {difference:.2f} of 255"
        )


if __name__ == "__main__":
    main()
