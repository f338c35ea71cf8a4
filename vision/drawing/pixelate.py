"""Make regions of an image unrecognisable."""

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels

_BLOCKS = 4
"""Number of blocks along the longer side of a region: a familiar face is recognised from about
seven."""

_LEVELS = 16
"""Number of different values of a block's channels: consecutive images of a video would add up to
more detail otherwise."""


def pixelate(image: Pixels, region: NDArray[np.bool_]) -> Pixels:
    """A copy of the image in which a region consists of few blocks of one colour.

    Each connected part has at most four blocks along its longer side, whatever its size.

    Args:
        image: uint8 of shape (height, width, channels).
        region: bool of shape (height, width).
    """
    result = np.ascontiguousarray(image).copy()
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(region.view(np.uint8))
    for number in range(1, count):
        left, top, width, height = boxes[number, :4].tolist()
        place = np.s_[top : top + height, left : left + width]
        inside = (parts[place] == number).view(np.uint8)
        result[place] = cv2.copyTo(_in_blocks(result[place]), inside, result[place].copy())
    return result


def _in_blocks(part: Pixels) -> Pixels:
    """A part of an image as square blocks of their mean colour."""
    height, width, channels = part.shape
    side = -(-max(height, width) // _BLOCKS)
    step = 256 // _LEVELS
    blocks = np.empty_like(part)
    for y in range(0, height, side):
        for x in range(0, width, side):
            block = np.s_[y : y + side, x : x + side]
            # OpenCV, which is much faster than NumPy here, takes four channels at most.
            means = [cv2.mean(part[(*block, np.s_[c : c + 4])]) for c in range(0, channels, 4)]
            mean = np.concatenate(means)[:channels]
            blocks[block] = (mean // step * step + step // 2).astype(np.uint8)
    return blocks
