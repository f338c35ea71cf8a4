"""The network from a face crop to the numbers of a face, and how to build it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.backbones import create_backbone
from models.backbones.base import Backbone, Constants
from models.face3d.camera import rotation_from_six

_LIGHT = 27
_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class FaceNumbers:
    """What a network says of face crops.

    Attributes:
        identity: Shape (batch, components).
        expression: Shape (batch, expressions), about 0 to 1.
        rotation: Shape (batch, 3, 3), see `models.face3d.camera`.
        scale: Shape (batch,): pixels of the crop for one unit of the face model.
        position: Shape (batch, 2): where the model's origin lies, in pixels of the crop.
        light: Shape (batch, 9, 3), as in `datamodules.face3d_renders.shade`.
        skin: Shape (batch, 3): RGB of the skin, 0 to 1.
    """

    identity: Tensor
    expression: Tensor
    rotation: Tensor
    scale: Tensor
    position: Tensor
    light: Tensor
    skin: Tensor


class FaceRegressor(nn.Module):
    """A backbone, what its two coarsest maps show place by place, and a linear layer.

    Pooling would lose where the corners of eyes and mouth lie, on which shapes are told apart.

    Args:
        backbone: Kept as `body`.
        image_size: (height, width) of the crops in pixels; the network fits no other.
        components: Identity numbers.
        expressions: Expression numbers.
        hidden: Numbers between the maps and the answer.
        extent: About how wide the face model is, in its units.
    """

    def __init__(
        self,
        backbone: Backbone,
        image_size: tuple[int, int],
        components: int,
        expressions: int,
        hidden: int,
        extent: float,
    ) -> None:
        super().__init__()
        self.body = backbone
        self.side = image_size[1]
        self.usual_scale = 0.5 * self.side / extent
        self.sizes = (components, expressions, 6, 1, 2, _LIGHT, 3)
        channels = backbone.channels[-2:]
        self.squeeze = nn.ModuleList(nn.Conv2d(count, 48, 1) for count in channels)
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, backbone.in_channels, *image_size))[-2:]
        backbone.train()
        places = sum(level.shape[2] * level.shape[3] for level in maps)
        self.inner = nn.Linear(48 * places, hidden)
        self.last = nn.Linear(hidden, sum(self.sizes))
        # Begin with the mean face, upright and in the middle.
        nn.init.normal_(self.last.weight, std=0.01 / math.sqrt(hidden))
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> FaceNumbers:
        """Numbers of normalised crops of shape (batch, channels, *image_size)."""
        maps = self.body(images)[-2:]
        seen = [
            squeeze(level).flatten(1) for squeeze, level in zip(self.squeeze, maps, strict=True)
        ]
        hidden = nn.functional.silu(self.inner(torch.cat(seen, dim=1)))
        identity, expression, six, scale, position, light, skin = self.last(hidden).split(
            self.sizes, dim=1
        )
        return FaceNumbers(
            identity,
            expression,
            rotation_from_six(six + six.new_tensor(_UPRIGHT)),
            self.usual_scale * scale[:, 0].exp(),
            self.side * (position + 0.5),
            light.unflatten(1, (9, 3)),
            skin + 0.5,
        )


def create_face_regressor(
    backbone: str,
    pretrained: bool | str,
    image_size: tuple[int, int],
    components: int,
    expressions: int,
    hidden: int,
    extent: float,
) -> tuple[FaceRegressor, Constants]:
    """Build the network, and tell the constants that its pictures are normalised with.

    Args:
        backbone: A name from the registry with two feature maps at least.
        pretrained: As in `models.backbones.create_backbone`.
        image_size: See `FaceRegressor`.
        components: "
        expressions: "
        hidden: "
        extent: "

    Raises:
        VisusError: As `models.backbones.create_backbone`.
    """
    body = create_backbone(backbone, 3, pretrained, image_size)
    network = FaceRegressor(body, image_size, components, expressions, hidden, extent)
    return network, (body.mean, body.std)
