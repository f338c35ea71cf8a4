"""The square of an image that a network for 3D faces looks at."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.found import FoundFaces
from visus.vision.images import Pixels

SMALLEST_FACE = 32
"""The smallest face that is looked at, in pixels."""

_LEAST_INSIDE = 0.75
"""The least share of a face's square that must lie within the image."""

_MARGIN = 5.0
"""The square's side in mean distances of the five landmarks from their middle: with the chin and
the brow."""

_ABOVE = 0.02
"""How far the square's middle lies above that of the five landmarks, as a share of its side."""


def face_square(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """The upright square around a face.

    Args:
        points: The five landmarks, shape (..., 5, 2), (x, y) in pixels.

    Returns:
        float32 of shape (..., 3): left, top and side in pixels.
    """
    points = np.asarray(points, np.float64)
    middle = points.mean(-2)
    # The mean distance to the middle hardly shrinks when a face turns away, unlike its width.
    spread = np.linalg.norm(points - middle[..., None, :], axis=-1).mean(-1)
    side = spread * _MARGIN
    left = middle[..., 0] - side / 2
    top = middle[..., 1] - side * (0.5 + _ABOVE)
    return np.stack([left, top, side], axis=-1).astype(np.float32)


def cut_square(image: Pixels, square: NDArray[np.floating], size: tuple[int, int]) -> Pixels:
    """A square of an image, brought to a size; black where the image ends.

    Args:
        image: uint8 of shape (height, width, 3).
        square: Left, top and side in pixels.
        size: (height, width) to bring it to.
    """
    left, top, side = (float(value) for value in square)
    zoom = size[1] / side
    if zoom < 0.5:
        # Bilinear sampling looks at four pixels only: shrink large faces first.
        height, width = image.shape[:2]
        small = (max(1, round(width * 2 * zoom)), max(1, round(height * 2 * zoom)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        left, top = left * small[0] / width, top * small[1] / height
        side = side * small[0] / width
    scale_x, scale_y = size[1] / side, size[0] / side
    # OpenCV counts from the middle of the first pixel.
    matrix = np.array(
        [
            [scale_x, 0, (0.5 - left) * scale_x - 0.5],
            [0, scale_y, (0.5 - top) * scale_y - 0.5],
        ]
    )
    cut = cv2.warpAffine(image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8)


def crop_problem(found: FoundFaces, i: int) -> str:
    """Why a face of an image is not looked at; empty where it is.

    Args:
        found: The faces of the image.
        i: Which of them.
    """
    height, width = found.size
    marks = found.landmarks[i]
    left, top, side = face_square(marks)
    shown_width = min(left + side, width) - max(left, 0)
    shown_height = min(top + side, height) - max(top, 0)
    if found.sides[i] < SMALLEST_FACE:
        return f"too small: {found.sides[i]:.0f} pixels, {SMALLEST_FACE} needed"
    if not ((marks >= 0) & (marks < (width, height))).all():
        return "partly outside the image"
    if shown_width * shown_height < _LEAST_INSIDE * side * side:
        return "partly outside the image"
    # Beyond the line from eye to eye in a profile; along it, so that a leaning head is none.
    along = (marks[1] - marks[0]).astype(np.float64)
    share = float((marks[2] - marks[0]) @ along / max(float(along @ along), 1e-9))
    if not 0.0 < share < 1.0:
        return "turned away too far"
    return ""


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """The faces of an image, and the squares that a network was shown of them.

    Attributes:
        found: The faces; those with a problem have no square.
        squares: float32 of shape (faces without a problem, 3): left, top and side in pixels of
            the image.
    """

    found: FoundFaces
    squares: NDArray[np.float32]

    @property
    def source_size(self) -> tuple[int, int]:
        """The image's (height, width), as a `Fit` names it."""
        return self.found.size
