"""What the image of a face in a mirror says of the face."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor, nn

from visus.models.face3d.camera import rotation_from_six
from visus.models.face3d.face_model import FaceModel
from visus.tasks.face3d.networks.create import FaceCoefficients
from visus.vision.errors import VisusError

_APART = 1.0
"""Millimetres that a vertex of the mean face may lie from the mirror image of its counterpart."""

_LEFT_OVER = 0.1
"""Share of a mirrored move of the vertices that the model's own moves may fail to tell."""


class FaceMirror(nn.Module):
    """Averages what a network says of an image and of its mirror image.

    Args:
        model: A face model whose faces in a mirror are faces of the model.

    Raises:
        VisusError: If they are not.
    """

    numbers: Tensor
    turned: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.components = len(model.identity)
        self.register_buffer("numbers", torch.from_numpy(_mirrored(model)), persistent=False)
        side = torch.tensor([-1.0, 1.0, 1.0])
        self.register_buffer("turned", side[:, None] * side, persistent=False)

    def forward(
        self, seen: FaceCoefficients, mirrored: FaceCoefficients, width: int
    ) -> FaceCoefficients:
        """The averaged face.

        Args:
            seen: What the network says of images.
            mirrored: What it says of their mirror images.
            width: Of the images in pixels.

        Returns:
            The mean of both in the images' own frame; of light, skin and points those of `seen`.
        """
        told = torch.cat([mirrored.identity, mirrored.expression], dim=1) @ self.numbers
        identity = (seen.identity + told[:, : self.components]) / 2
        expression = (seen.expression + told[:, self.components :]) / 2
        rotation = seen.rotation + mirrored.rotation * self.turned
        across = width - mirrored.position[:, :1]
        position = torch.cat([across, mirrored.position[:, 1:]], dim=1)
        return replace(
            seen,
            identity=identity,
            expression=expression,
            # The nearest rotation but for a small share of how far the two are apart.
            rotation=rotation_from_six(torch.cat([rotation[..., 0], rotation[..., 1]], dim=1)),
            scale=(seen.scale + mirrored.scale) / 2,
            position=(seen.position + position) / 2,
        )


def _mirrored(model: FaceModel) -> NDArray[np.float32]:
    """Float32 (numbers, numbers): a face's numbers times this are those of its mirror image."""
    flip = np.array([-1, 1, 1], np.float32)
    distances, counterparts = KDTree(model.neutral * flip).query(model.neutral)
    apart = float(distances.max()) * model.millimetres
    moves = np.concatenate([model.identity, model.expression]).astype(np.float64)
    flat = moves.reshape(len(moves), -1)
    wanted = (moves[:, counterparts] * flip).reshape(len(moves), -1)
    numbers = np.linalg.lstsq(flat.T, wanted.T, rcond=None)[0].T
    missed = np.linalg.norm(numbers @ flat - wanted, axis=1)
    worst = float((missed / np.linalg.norm(wanted, axis=1).clip(1e-9)).max())
    if apart > _APART or worst > _LEFT_OVER:
        raise VisusError(
            f"model.flip_at_test: the two sides of face model {model.name!r} are not alike (its "
            f"vertices differ by up to {apart:.2g} mm, its moves by {worst:.0%}); set it to false"
        )
    return np.asarray(numbers, np.float32)
