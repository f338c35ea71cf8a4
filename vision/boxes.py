"""Geometry of bounding boxes."""

import numpy as np
from numpy.typing import NDArray


def box_iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union (IoU) of boxes.

    Args:
        boxes: Shape (N, 4), (x1, y1, x2, y2).
        others: Shape (M, 4), (x1, y1, x2, y2).

    Returns:
        IoU of each box with each other one, float64 of shape (N, M).
    """
    intersections, areas, other_areas = _intersections(boxes, others)
    return np.asarray(intersections / np.maximum(areas + other_areas - intersections, 1e-12))


def box_coverage(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """The fraction of each box that lies in each other one, as COCO matches crowd regions.

    Args:
        boxes: Shape (N, 4), (x1, y1, x2, y2).
        others: Shape (M, 4), (x1, y1, x2, y2).

    Returns:
        0 to 1, float64 of shape (N, M).
    """
    intersections, areas, _ = _intersections(boxes, others)
    return np.asarray(intersections / np.maximum(areas, 1e-12))


def _intersections(
    boxes: NDArray[np.floating], others: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The areas of the intersections (N, M), of the boxes (N, 1), and of the others (1, M)."""
    a, b = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    corners = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersections = corners.clip(0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return intersections, areas[0], areas[1]
