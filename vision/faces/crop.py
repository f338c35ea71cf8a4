"""Crop the squares around faces that a network for 3D reconstruction takes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.found import FoundFaces
from visus.vision.images import Pixels
from visus.vision.wording import compared

SMALLEST_FACE = 32
"""Side of the smallest face that is reconstructed, in pixels."""

_LEAST_INSIDE = 0.75
"""Minimum fraction of a face's square that must lie within the image."""

_MARGIN = 5.0
"""The square's side in mean distances of the five landmarks from their mean: includes the chin and
the forehead."""

_ABOVE = 0.02
"""How far the square's centre lies above the landmarks' mean, as a fraction of its side."""


def face_square(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """The upright square around a face.

    Args:
        points: The five landmarks, shape (..., 5, 2), (x, y) in pixels.

    Returns:
        float32 of shape (..., 3): left, top and side in pixels.
    """
    points = np.asarray(points, np.float64)
    mean = points.mean(-2)
    # The mean distance to the mean hardly shrinks when a face turns away, unlike its width.
    distance = np.linalg.norm(points - mean[..., None, :], axis=-1).mean(-1)
    side = distance * _MARGIN
    left = mean[..., 0] - side / 2
    top = mean[..., 1] - side * (0.5 + _ABOVE)
    return np.stack([left, top, side], axis=-1).astype(np.float32)


def cut_square(image: Pixels, square: NDArray[np.floating], size: tuple[int, int]) -> Pixels:
    """Crop a square of an image and resize it; black beyond the image.

    Args:
        image: uint8 of shape (height, width, 3).
        square: Left, top and side in pixels.
        size: (height, width) of the crop in pixels.
    """
    left, top, side = (float(value) for value in square)
    scale = size[1] / side
    if scale < 0.5:
        # Bilinear sampling reads four pixels only: shrink large faces first, against aliasing.
        height, width = image.shape[:2]
        small = (max(1, round(width * 2 * scale)), max(1, round(height * 2 * scale)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        left, top = left * small[0] / width, top * small[1] / height
        side = side * small[0] / width
    scale_x, scale_y = size[1] / side, size[0] / side
    # The centre of OpenCV's first pixel is at 0.
    matrix = np.array(
        [
            [scale_x, 0, (0.5 - left) * scale_x - 0.5],
            [0, scale_y, (0.5 - top) * scale_y - 0.5],
        ]
    )
    crop = cv2.warpAffine(image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)


def crop_problem(faces: FoundFaces, i: int) -> str:
    """Why a face is not reconstructed; empty where it is.

    Args:
        faces: The faces of the image.
        i: Index of the face.
    """
    height, width = faces.size
    landmarks = faces.landmarks[i]
    left, top, side = face_square(landmarks)
    shown_width = min(left + side, width) - max(left, 0)
    shown_height = min(top + side, height) - max(top, 0)
    if faces.sides[i] < SMALLEST_FACE:
        shown, needed = compared(float(faces.sides[i]), SMALLEST_FACE)
        return f"too small: {shown} pixels, {needed} needed"
    if not ((landmarks >= 0) & (landmarks < (width, height))).all():
        return "partly outside the image"
    if shown_width * shown_height < _LEAST_INSIDE * side * side:
        return "partly outside the image"
    # The nose, projected on the line from eye to eye, lies between the eyes unless in a profile.
    line = (landmarks[1] - landmarks[0]).astype(np.float64)
    position = float((landmarks[2] - landmarks[0]) @ line / max(float(line @ line), 1e-9))
    if not 0.0 < position < 1.0:
        return "turned away too far"
    return ""


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """The faces of an image, and the squares around them that were cropped for a network.

    Attributes:
        faces: The faces; those with a problem have no square.
        squares: float32 of shape (faces without a problem, 3): left, top and side in pixels of
            the image.
    """

    faces: FoundFaces
    squares: NDArray[np.float32]

    @property
    def source_size(self) -> tuple[int, int]:
        """(height, width) of the image, as `Geometry` names it."""
        return self.faces.size

    @classmethod
    def of_crop(cls, size: tuple[int, int]) -> "FaceCrops":
        """An image of (height, width) pixels that is itself the crop of one face.

        The landmarks are unknown: NaN.
        """
        height, width = size
        box = np.array([[0, 0, width, height]], np.float32)
        landmarks = np.full((1, 5, 2), np.nan, np.float32)
        faces = FoundFaces(box, np.ones(1, np.float32), landmarks, size)
        return cls(faces, np.array([[0, 0, width]], np.float32))
