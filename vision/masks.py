"""Masks: the id of unlabelled pixels, and COCO's run lengths."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""The id of pixels that belong to no class; neither losses nor metrics count them."""


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Run lengths of a mask (height, width), column by column, absent pixels first.

    Returns:
        `{"size": [height, width], "counts": [...]}`, COCO's uncompressed form.
    """
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return {"size": list(mask.shape), "counts": np.diff(ends, prepend=0).tolist()}


def decode_mask(size: tuple[int, int], counts: list[int]) -> NDArray[np.bool_]:
    """A mask (height, width) from uncompressed run lengths.

    Raises:
        ValueError: If the runs do not fill the mask.
    """
    height, width = size
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"runs of {sum(counts)} pixels for a mask of {width} x {height}")
    present = np.arange(len(counts)) % 2 == 1
    return np.repeat(present, counts).reshape(width, height).T
