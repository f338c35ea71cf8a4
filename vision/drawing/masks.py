"""Class masks drawn over images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.colours import Colour
from visus.vision.drawing.sizes import line_width
from visus.vision.images import Pixels
from visus.vision.masks import IGNORE


def draw_areas(
    image: Pixels, mask: NDArray[np.uint8], colours: Sequence[Colour], strength: float = 0.45
) -> Pixels:
    """A copy of the image tinted by the class of each pixel, with lines between the classes.

    Unlabelled pixels are unchanged.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        mask: Class ids of shape (height, width), `IGNORE` for unlabelled pixels.
        colours: One colour for each class.
        strength: Opacity of the tint, 0 to 1.
    """
    tints = np.zeros((1, 256, 3), np.uint8)
    tints[0, : len(colours)] = colours
    tint = cv2.LUT(cv2.merge([mask, mask, mask]), tints)
    tinted = cv2.addWeighted(image, 1 - strength, tint, strength, 0)
    kernel = np.ones((line_width(mask.shape) // 2 * 2 + 1,) * 2, np.uint8)
    cv2.copyTo(tint, cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, kernel), tinted)
    cv2.copyTo(image, (mask == IGNORE).view(np.uint8), tinted)
    return np.asarray(tinted, np.uint8)
