"""The linear face model in PyTorch: from numbers to shapes, exact and differentiable."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.models.face3d.face_model import FaceModel


class MorphableFace(nn.Module):
    """Shapes of a face model (`visus.models.face3d.face_model.FaceModel`).

    Its numbers are no weights: they stay out of checkpoints and never learn.

    Args:
        model: Which faces there are.
    """

    neutral: Tensor
    identity: Tensor
    expression: Tensor
    landmarks: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.vertex_count = len(model.neutral)

        def keep(name: str, values: NDArray[Any]) -> None:
            self.register_buffer(name, torch.from_numpy(np.array(values)), persistent=False)

        keep("neutral", model.neutral.reshape(-1))
        keep("identity", model.identity.reshape(len(model.identity), -1))
        keep("expression", model.expression.reshape(len(model.expression), -1))
        keep("landmarks", model.landmarks.astype(np.int64))

    def forward(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Vertices in the model's own frame and units.

        Args:
            identity: Shape (batch, components).
            expression: Shape (batch, expressions).

        Returns:
            Shape (batch, vertices, 3).
        """
        flat = self.neutral + identity @ self.identity + expression @ self.expression
        shapes: Tensor = flat.reshape(-1, self.vertex_count, 3)
        return shapes
