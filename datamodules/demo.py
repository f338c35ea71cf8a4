"""The images that `visus demo` shows."""

import numpy as np
from numpy.typing import NDArray


def demo_samples() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The test images of the digits.

    Returns:
        Images, uint8 of shape (images, height, width, 1), and their class ids, (images,).
    """
    from visus.datamodules.classification.arrays import DigitsData

    return DigitsData().splits["test"]
