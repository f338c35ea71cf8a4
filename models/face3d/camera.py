"""Head rotations, and scaled orthographic projection from 3D to the image.

The coordinate system of a face has x to the right of the image, y upwards and z towards the viewer;
that of the image has y downwards.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def rotation_from_angles(angles: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rotation matrices of yaw, pitch and roll.

    Args:
        angles: Shape (..., 3): yaw (positive to the right of the image), pitch (positive down),
            roll (positive counter-clockwise in the image), in degrees, applied in the order roll,
            pitch, yaw.

    Returns:
        float32 of shape (..., 3, 3): `rotated = matrix @ point`.
    """
    yaw, pitch, roll = np.moveaxis(np.radians(np.asarray(angles, np.float64)), -1, 0)
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    cos, sin = np.cos, np.sin
    about_y = matrix((cos(yaw), zero, sin(yaw)), (zero, one, zero), (-sin(yaw), zero, cos(yaw)))
    about_x = matrix(
        (one, zero, zero), (zero, cos(pitch), -sin(pitch)), (zero, sin(pitch), cos(pitch))
    )
    about_z = matrix((cos(roll), -sin(roll), zero), (sin(roll), cos(roll), zero), (zero, zero, one))
    return np.asarray(about_y @ about_x @ about_z, np.float32)


def rotation_from_six(six: Tensor) -> Tensor:
    """Rotation matrices from the continuous 6D representation.

    Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks".

    Args:
        six: Shape (..., 6): the first two columns, which are orthonormalised.

    Returns:
        Shape (..., 3, 3).
    """
    first = torch.nn.functional.normalize(six[..., :3], dim=-1)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    third = torch.stack(
        [
            first[..., 1] * second[..., 2] - first[..., 2] * second[..., 1],
            first[..., 2] * second[..., 0] - first[..., 0] * second[..., 2],
            first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0],
        ],
        dim=-1,
    )
    return torch.stack([first, second, third], dim=-1)


def project(points: Tensor, rotation: Tensor, scale: Tensor, position: Tensor) -> Tensor:
    """Project points of a face to the image by scaled orthography.

    The differences in depth within a face are neglected, which is accurate from a distance of
    about a metre on.

    Args:
        points: Shape (batch, points, 3) in the face's coordinate system.
        rotation: Shape (batch, 3, 3).
        scale: Shape (batch,): pixels per unit.
        position: Shape (batch, 2): position of the origin, (x, y) in pixels.

    Returns:
        Shape (batch, points, 3): x, y and, increasing towards the viewer, z in pixels.
    """
    rotated = points @ rotation.transpose(1, 2)
    scaled = rotated * (scale[:, None, None] * rotated.new_tensor([1.0, -1.0, 1.0]))
    return torch.cat([scaled[..., :2] + position[:, None], scaled[..., 2:]], dim=-1)
