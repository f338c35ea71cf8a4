"""Rasterise the outline of a labelled object: polygons, run lengths, or its bounding box."""

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
