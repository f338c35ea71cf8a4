"""The linear face model in PyTorch: from coefficients to vertices, differentiable."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.models.face3d.camera import project
from visus.models.face3d.face_model import FaceModel


class MorphableFace(nn.Module):
    """A `visus.models.face3d.face_model.FaceModel` as a module.

    Its arrays are constants: they are not trained, and not stored in checkpoints.

    Args:
        model: The face model.
    """

    neutral: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.vertex_count = len(model.neutral)

        def register(name: str, values: NDArray[Any]) -> None:
            self.register_buffer(name, torch.from_numpy(np.array(values)), persistent=False)

        register("neutral", model.neutral.reshape(-1))
        for name, values in (("identity", model.identity), ("expression", model.expression)):
            register(name, values.reshape(len(values), 3 * self.vertex_count))
        register("landmarks", model.landmarks.astype(np.int64))

    def forward(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Vertices in the coordinate system and units of the face model.

        Args:
            identity: Shape (batch, components).
            expression: Shape (batch, expressions).

        Returns:
            Shape (batch, vertices, 3).
        """
        flat = self.neutral + identity @ self.identity + expression @ self.expression
        shapes: Tensor = flat.reshape(-1, self.vertex_count, 3)
        return shapes

    def project_landmarks(
        self, vertices: Tensor, rotation: Tensor, scale: Tensor, position: Tensor
    ) -> Tensor:
        """The 68 landmarks in the image.

        Args:
            vertices: Shape (batch, vertices, 3).
            rotation: Shape (batch, 3, 3); see `visus.models.face3d.camera.project`.
            scale: Shape (batch,).
            position: Shape (batch, 2).

        Returns:
            Shape (batch, 68, 2): (x, y) in pixels.
        """
        return project(vertices[:, self.landmarks], rotation, scale, position)[..., :2]
