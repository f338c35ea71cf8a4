"""Heat maps over images."""

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels


def draw_heat(image: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Overlay a heat map on an image, from blue (0) to red (1).

    Args:
        image: uint8 RGB of shape (height, width, 3).
        heat: Of the image's height and width, 0 to 1.

    Returns:
        uint8 RGB of the image's shape.
    """
    # Smoothed, so that a coarse map does not appear more precise than it is.
    smooth = cv2.GaussianBlur((heat * 255).astype(np.uint8), (0, 0), max(image.shape[:2]) / 150)
    colours = cv2.cvtColor(cv2.applyColorMap(smooth, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return np.asarray(
        cv2.addWeighted(image, 0.55, np.asarray(colours, np.uint8), 0.45, 0), np.uint8
    )
