"""The test samples that `visus demo` shows."""

import numpy as np
from numpy.typing import NDArray


def demo_samples() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Test digits, uint8 of shape (images, height, width, 1), and their labels."""
    from visus.datamodules.classification.arrays import DigitsData

    return DigitsData().splits["test"]
