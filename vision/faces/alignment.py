"""Align faces: eyes, nose and mouth at the positions that an embedding network expects."""

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels

ALIGNMENT = "five-points-1"
"""Name of this alignment; embeddings of faces that were aligned otherwise are incomparable."""

_TEMPLATE_SIDE = 150
# In faces of 150 x 150 pixels: both eyes, the nose, both corners of the mouth.
_TEMPLATE = np.array([(47, 45), (101.6, 45.2), (74.5, 78.4), (51, 104.6), (97.2, 104.6)])


def template(size: tuple[int, int]) -> NDArray[np.float64]:
    """Positions of the five landmarks in an aligned face, shape (5, 2), (x, y) in pixels.

    Args:
        size: (height, width) of the aligned face in pixels.
    """
    return _TEMPLATE * (size[1] / _TEMPLATE_SIDE, size[0] / _TEMPLATE_SIDE)


def similarity_transform(
    points: NDArray[np.floating], target: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The least-squares rotation, scale and translation from points to others; no reflection.

    Umeyama 1991, "Least-Squares Estimation of Transformation Parameters Between Two Point
    Patterns".

    Args:
        points: Shape (N, 2), not all equal.
        target: Shape (N, 2).

    Returns:
        Shape (2, 3): `target = matrix[:, :2] @ point + matrix[:, 2]`.

    Raises:
        ValueError: If all points are equal, or a value is not finite.
    """
    points, target = np.asarray(points, np.float64), np.asarray(target, np.float64)
    mean, target_mean = points.mean(0), target.mean(0)
    centred, target_centred = points - mean, target - target_mean
    variance = (centred**2).sum()
    if not (np.isfinite(variance) and variance > 0 and np.isfinite(target).all()):
        raise ValueError("points that are all equal, or not finite, have no alignment")
    u, values, vt = np.linalg.svd(target_centred.T @ centred)
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * signs) @ vt
    scale = (values * signs).sum() / variance
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * rotation
    matrix[:, 2] = target_mean - matrix[:, :2] @ mean
    return matrix


def align_face(image: Pixels, landmarks: NDArray[np.floating], size: tuple[int, int]) -> Pixels:
    """Crop a face so that its landmarks lie at the positions of `template`.

    Args:
        image: uint8 of shape (height, width, 3).
        landmarks: Shape (5, 2), (x, y) in pixels; see `FoundFaces`.
        size: (height, width) of the aligned face in pixels.

    Returns:
        uint8 of shape (*size, 3); black beyond the image.
    """
    matrix = similarity_transform(landmarks, template(size))
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        # Bilinear sampling reads four pixels only: shrink large faces first, against aliasing.
        factor = 2 * scale
        height, width = image.shape[:2]
        small = (max(1, round(width * factor)), max(1, round(height * factor)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        landmarks = np.asarray(landmarks) * (small[0] / width, small[1] / height)
        matrix = similarity_transform(landmarks, template(size))
    aligned = cv2.warpAffine(image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(aligned, np.uint8)


def sharpness(face: Pixels) -> float:
    """Sharpness of an aligned face: the variance of its Laplacian, from 0.

    Args:
        face: uint8 of shape (height, width, 3).
    """
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
