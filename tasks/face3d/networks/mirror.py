"""Test-time augmentation by mirroring: average the faces of an image and its mirror image."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor, nn

from visus.models.face3d.camera import rotation_from_six
from visus.models.face3d.face_model import FaceModel
from visus.tasks.face3d.networks.regressor import FaceCoefficients
from visus.vision.errors import VisusError

_MAX_ASYMMETRY = 1.0
"""Largest distance of a vertex of the mean face from its mirrored counterpart, in millimetres."""

_MAX_RESIDUAL = 0.1
"""Largest part of a mirrored component that the model's components may fail to represent."""


class FaceMirror(nn.Module):
    """Averages the predictions of a network for an image and its mirror image.

    Args:
        model: A face model that is symmetric: its mirrored faces are faces of the model too.

    Raises:
        VisusError: If the model is not symmetric.
    """

    coefficients: Tensor
    rotation_signs: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.components = len(model.identity)
        matrix = torch.from_numpy(_mirror_matrix(model))
        self.register_buffer("coefficients", matrix, persistent=False)
        sides = torch.tensor([-1.0, 1.0, 1.0])
        self.register_buffer("rotation_signs", sides[:, None] * sides, persistent=False)

    def forward(
        self, face: FaceCoefficients, mirrored: FaceCoefficients, width: int
    ) -> FaceCoefficients:
        """The averaged prediction.

        Args:
            face: The prediction for the images.
            mirrored: The prediction for their mirror images.
            width: Width of the images in pixels.

        Returns:
            The mean of both in the images' own coordinates; light, skin and points are those of
            `face`.
        """
        values = torch.cat([mirrored.identity, mirrored.expression], dim=1) @ self.coefficients
        identity = (face.identity + values[:, : self.components]) / 2
        expression = (face.expression + values[:, self.components :]) / 2
        rotation = face.rotation + mirrored.rotation * self.rotation_signs
        across = width - mirrored.position[:, :1]
        position = torch.cat([across, mirrored.position[:, 1:]], dim=1)
        return replace(
            face,
            identity=identity,
            expression=expression,
            # Nearly the nearest rotation: the error is small beside the difference of the two.
            rotation=rotation_from_six(torch.cat([rotation[..., 0], rotation[..., 1]], dim=1)),
            scale=(face.scale + mirrored.scale) / 2,
            position=(face.position + position) / 2,
        )


def _mirror_matrix(model: FaceModel) -> NDArray[np.float32]:
    """The matrix that maps a face's coefficients to those of its mirror image.

    Returns:
        float32 (coefficients, coefficients), to multiply from the right.

    Raises:
        VisusError: If the model is not symmetric.
    """
    flip = np.array([-1, 1, 1], np.float32)
    distances, counterparts = KDTree(model.neutral * flip).query(model.neutral)
    asymmetry = float(distances.max()) * model.millimetres
    basis = np.concatenate([model.identity, model.expression]).astype(np.float64)
    flat = basis.reshape(len(basis), -1)
    mirrored = (basis[:, counterparts] * flip).reshape(len(basis), -1)
    matrix = np.linalg.lstsq(flat.T, mirrored.T, rcond=None)[0].T
    residuals = np.linalg.norm(matrix @ flat - mirrored, axis=1)
    worst = float((residuals / np.linalg.norm(mirrored, axis=1).clip(1e-9)).max())
    if asymmetry > _MAX_ASYMMETRY or worst > _MAX_RESIDUAL:
        raise VisusError(
            f"model.flip_at_test: face model {model.name!r} is not symmetric (its vertices differ "
            f"by up to {asymmetry:.2g} mm, its components by {worst:.0%}); set it to false"
        )
    return np.asarray(matrix, np.float32)
