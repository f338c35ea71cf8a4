"""The network from a face crop to the numbers of a face, and how to build it."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from visus.models.backbones import create_backbone
from visus.models.backbones.base import Backbone, Constants
from visus.models.face3d.camera import rotation_from_six

_CHANNELS, _SQUEEZED = 128, 48
_LIGHT = 27
_REACH = 0.3
"""Unit of the offsets of votes, as a share of the image's side."""

_USUAL_SIZE = 0.25
"""Root of the mean square of the points' distances from their middle, before anything is learnt."""

_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class FaceCoefficients:
    """What a network says of face crops.

    Attributes:
        identity: Shape (batch, components).
        expression: Shape (batch, expressions), about 0 to 1.
        rotation: Shape (batch, 3, 3), see `models.face3d.camera`.
        scale: Shape (batch,): pixels of the crop for one unit of the face model.
        position: Shape (batch, 2): where the model's origin lies, in pixels of the crop.
        light: Shape (batch, 9, 3), as in `visus.datamodules.face3d.renders.shade`.
        skin: Shape (batch, 3): RGB of the skin, 0 to 1.
        points: Shape (batch, points, 2): where some vertices lie, (x, y) in pixels of the crop,
            found before all numbers.
    """

    identity: Tensor
    expression: Tensor
    rotation: Tensor
    scale: Tensor
    position: Tensor
    light: Tensor
    skin: Tensor
    points: Tensor


class FaceRegressor(nn.Module):
    """A backbone, a feature pyramid, points that are placed in the crop, and layers from there.

    Shapes are told apart by where the corners of eyes and mouth and all between them lie. So some
    vertices are placed first, as in Wood et al. 2022, "3D Face Reconstruction with Dense
    Landmarks", and the numbers are read from them and from what the coarse maps show.

    Args:
        backbone: Kept as `body`; its three coarsest maps are used, or its two.
        image_size: (height, width) of the square crops in pixels; the network fits no other.
        components: Identity numbers.
        expressions: Expression numbers.
        points: float32 (points, 3): the vertices that are placed, of the mean face.
        hidden: Numbers between the maps and the answer.
        extent: About how wide the face model is, in its units.
    """

    def __init__(
        self,
        backbone: Backbone,
        image_size: tuple[int, int],
        components: int,
        expressions: int,
        points: NDArray[np.float32],
        hidden: int,
        extent: float,
    ) -> None:
        super().__init__()
        self.body = backbone
        self.side = image_size[1]
        self.usual_scale = 0.5 * self.side / extent
        self.sizes = (components, expressions, 6, 1, 2, _LIGHT, 3)
        channels = backbone.channels[-3:]
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, backbone.in_channels, *image_size))[-3:]
        backbone.train()
        (rows, columns), *coarse = [tuple(level.shape[2:]) for level in maps]
        self.laterals = nn.ModuleList(nn.Conv2d(count, _CHANNELS, 1) for count in channels)
        self.merge = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1)
        self.refine = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1)
        flat = (points - points.mean(0))[:, :2] * np.array([1, -1], np.float32)
        flat *= _USUAL_SIZE / np.sqrt(np.square(flat).sum(1).mean())
        self.votes = PointVotes(_CHANNELS, torch.from_numpy(flat + 0.5), rows, columns)
        self.squeeze = nn.ModuleList(nn.Conv2d(count, _SQUEEZED, 1) for count in channels[1:])
        self.seen = nn.Linear(_SQUEEZED * sum(rows * columns for rows, columns in coarse), hidden)
        self.inner = nn.Linear(hidden + 2 * len(points), hidden)
        self.outer = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, sum(self.sizes))
        # Begin with the mean face, upright and in the middle.
        nn.init.normal_(self.last.weight, std=0.01 / math.sqrt(hidden))
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> FaceCoefficients:
        """Numbers of normalised crops of shape (batch, channels, *image_size)."""
        maps = self.body(images)[-3:]
        points = self.votes(self._finest(maps))
        middle = points.mean(1)
        away = points - middle[:, None]
        size = (away.square().sum(-1).mean(1, keepdim=True) + 1e-6).sqrt()
        # Where a face lies and how large it is says nothing of its shape.
        told = away.flatten(1) / size
        squeezed = [
            conv(level).flatten(1) for conv, level in zip(self.squeeze, maps[1:], strict=True)
        ]
        seen = silu(self.seen(torch.cat(squeezed, dim=1)))
        hidden = silu(self.inner(torch.cat([seen, told], dim=1)))
        hidden = hidden + silu(self.outer(hidden))
        identity, expression, six, scale, position, light, skin = self.last(hidden).split(
            self.sizes, dim=1
        )
        return FaceCoefficients(
            identity,
            expression,
            rotation_from_six(six + six.new_tensor(_UPRIGHT)),
            self.usual_scale * (size / _USUAL_SIZE * scale.exp())[:, 0],
            self.side * (middle + size * position),
            light.unflatten(1, (9, 3)),
            skin + 0.5,
            self.side * points,
        )

    def _finest(self, maps: list[Tensor]) -> Tensor:
        """The finest map, knowing what the coarser ones saw."""
        laterals = [conv(level) for conv, level in zip(self.laterals, maps, strict=True)]
        merged = laterals.pop()
        while laterals:
            finer = laterals.pop()
            merged = finer + interpolate(merged, size=finer.shape[2:])
        merged = silu(self.merge(silu(merged)))
        return merged + silu(self.refine(merged))


class PointVotes(nn.Module):
    """Places of points, by votes of all places of a feature map.

    Each place says where it believes a point to be, as an offset from itself, and how much that
    counts. Sun et al. 2018, "Integral Human Pose Regression", has the weights alone, with which no
    point lies outside the image.

    Args:
        channels: Of the map.
        usual: Shape (points, 2): where the points lie before anything is learnt, (x, y) as shares
            of the image's sides.
        rows: Of the map.
        columns: Of the map.
    """

    grid: Tensor

    def __init__(self, channels: int, usual: Tensor, rows: int, columns: int) -> None:
        super().__init__()
        self.points = len(usual)
        self.vote = nn.Conv2d(channels, 3 * len(usual), 1)
        nn.init.normal_(self.vote.weight, std=0.01)
        with torch.no_grad():
            offsets = ((usual - 0.5) / _REACH).t().flatten()
            self.vote.get_parameter("bias").copy_(torch.cat([torch.zeros(len(usual)), offsets]))
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        grid = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows]).flatten(1)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, level: Tensor) -> Tensor:
        """Where the points lie.

        Args:
            level: Shape (batch, channels, rows, columns).

        Returns:
            Shape (batch, points, 2): (x, y) as shares of the image's sides.
        """
        weight, *offsets = self.vote(level).flatten(2).split(self.points, dim=1)
        weight = weight.softmax(-1)
        votes = _REACH * torch.stack(offsets, dim=-1) + self.grid.t()
        places: Tensor = (weight[..., None] * votes).sum(2)
        return places


def create_face_regressor(
    backbone: str,
    pretrained: bool | str,
    image_size: tuple[int, int],
    components: int,
    expressions: int,
    points: NDArray[np.float32],
    hidden: int,
    extent: float,
) -> tuple[FaceRegressor, Constants]:
    """Build the network, and tell the constants that its images are normalised with.

    Args:
        backbone: A name from the registry with two feature maps at least.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: See `FaceRegressor`.
        components: "
        expressions: "
        points: "
        hidden: "
        extent: "

    Raises:
        VisusError: As `visus.models.backbones.create_backbone`.
    """
    body = create_backbone(backbone, 3, pretrained, image_size)
    network = FaceRegressor(body, image_size, components, expressions, points, hidden, extent)
    return network, (body.mean, body.std)
