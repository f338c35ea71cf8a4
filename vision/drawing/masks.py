"""Class masks drawn over images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.colours import Colour
from visus.vision.images import Pixels
from visus.vision.masks import IGNORE


def draw_areas(
    image: Pixels, mask: NDArray[np.uint8], colours: Sequence[Colour], strength: float = 0.55
) -> Pixels:
    """A copy of the image tinted by the class of each pixel; unlabelled pixels are unchanged.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        mask: Class ids of shape (height, width), `IGNORE` for unlabelled pixels.
        colours: One colour for each class.
        strength: Opacity of the tint, 0 to 1.
    """
    tints = np.zeros((256, 3), np.uint8)
    tints[: len(colours)] = colours
    tinted = cv2.addWeighted(image, 1 - strength, tints[mask], strength, 0)
    unlabelled = mask == IGNORE
    tinted[unlabelled] = image[unlabelled]
    return np.asarray(tinted, np.uint8)
