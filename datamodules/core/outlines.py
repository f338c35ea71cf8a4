"""Rasterise the outline of a labelled object, and trace that of a mask."""

import cv2
import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from visus.datamodules.core.labels import LabelledObject
from visus.vision.masks import decode_mask


def object_mask(item: LabelledObject, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of an object from its polygons or run lengths, or its filled box if it has neither.

    Args:
        item: The object, its polygons in pixels.
        size: (height, width) of the image in pixels.

    Returns:
        bool of shape `size`.
    """
    height, width = size
    if item.runs:
        return decode_mask(size, list(item.runs))
    if item.polygons:
        rings = coco_mask.frPyObjects([list(ring) for ring in item.polygons], height, width)
        return np.asarray(coco_mask.decode(coco_mask.merge(rings)), bool)
    mask = np.zeros(size, bool)
    x1, y1, x2, y2 = (round(value) for value in item.box)
    mask[y1:y2, x1:x2] = True
    return mask


def trace_outlines(mask: NDArray[np.bool_]) -> tuple[tuple[float, ...], ...]:
    """The outer outlines of a mask as polygons, the largest first; holes are filled.

    Args:
        mask: bool of shape (height, width).

    Returns:
        Outlines, each (x, y, x, y, ...) in pixels, within half a pixel of the mask's edge.
    """
    # OpenCV's outlines pass through the centres of pixels: those of half the size lie closer to
    # the edge.
    doubled = mask.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    rings = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    rings = [cv2.approxPolyDP(ring, 0.8, True) for ring in rings]
    ordered = sorted((ring for ring in rings if len(ring) > 2), key=cv2.contourArea, reverse=True)
    return tuple(tuple(((ring.ravel() + 0.5) / 2).tolist()) for ring in ordered)
