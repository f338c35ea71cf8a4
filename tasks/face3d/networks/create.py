"""Build the network of 3D faces."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.models.backbones import create_backbone
from visus.models.backbones.base import Constants
from visus.tasks.face3d.networks.regressor import FaceRegressor


def create_face_regressor(
    backbone: str,
    pretrained: bool | str,
    image_size: tuple[int, int],
    components: int,
    expressions: int,
    points: NDArray[np.float32],
    hidden_size: int,
    extent: float,
    **options: Any,
) -> tuple[FaceRegressor, Constants]:
    """Build the network.

    Args:
        backbone: A name from the registry, with at least two feature maps.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: (height, width) of the square crops in pixels.
        components: Number of identity coefficients.
        expressions: Number of expression coefficients.
        points: float32 (points, 3): the vertices that are located, of the mean face.
        hidden_size: Number of units of the hidden layers.
        extent: Approximate width of the face model in its units.
        options: The backbone's own.

    Returns:
        The network, and the constants for the normalisation of its images.

    Raises:
        VisusError: As `visus.models.backbones.create_backbone`.
    """
    body = create_backbone(backbone, 3, pretrained, image_size, **options)
    network = FaceRegressor(body, image_size, components, expressions, points, hidden_size, extent)
    return network, (body.mean, body.std)
