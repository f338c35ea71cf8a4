"""Geometry of boxes."""

import numpy as np
from numpy.typing import NDArray


def box_iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of each of (N, 4) boxes with each of (M, 4) others: (N, M)."""
    a, b = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    corners = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = corners.clip(0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-12))
