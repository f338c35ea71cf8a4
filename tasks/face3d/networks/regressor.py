"""The network from the crop of a face to coefficients of a face model."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from visus.models.backbones.base import Backbone
from visus.models.face3d.camera import rotation_from_six

_CHANNELS, _SQUEEZED = 128, 48
_LIGHT = 27
_OFFSET_UNIT = 0.3
"""Unit of the predicted offsets, as a fraction of the image's side."""

_INITIAL_SIZE = 0.25
"""Root mean square distance of the points from their mean before training, as the same fraction."""

_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""No rotation; see `rotation_from_six`."""


@dataclass(frozen=True, eq=False)
class FaceCoefficients:
    """The output of the network for a batch of crops.

    Attributes:
        identity: Identity coefficients, shape (batch, components).
        expression: Expression coefficients, shape (batch, expressions), about 0 to 1.
        rotation: Shape (batch, 3, 3), see `visus.models.face3d.camera`.
        scale: Shape (batch,): pixels of the crop per unit of the face model.
        position: Shape (batch, 2): position of the model's origin in pixels of the crop.
        light: Spherical harmonics of the light, shape (batch, 9, 3), as in
            `visus.datamodules.face3d.renders.shade`.
        skin: Shape (batch, 3): RGB of the skin, 0 to 1.
        points: Shape (batch, points, 2): positions of some vertices, (x, y) in pixels of the crop,
            located before the coefficients are estimated.
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
    """A backbone with a feature pyramid, a head that locates points, and one for coefficients.

    The positions of dense landmarks determine the shape of a face. So some vertices are located
    first, as in Wood et al. 2022, "3D Face Reconstruction with Dense Landmarks", and the
    coefficients are estimated from them and from the coarse feature maps.

    Args:
        backbone: Becomes `body`; its three coarsest feature maps are used, or its two.
        image_size: (height, width) of the square crops in pixels; the network takes no other size.
        components: Number of identity coefficients.
        expressions: Number of expression coefficients.
        points: float32 (points, 3): the vertices that are located, of the mean face.
        hidden_size: Number of units of the hidden layers.
        extent: Approximate width of the face model in its units.
    """

    def __init__(
        self,
        backbone: Backbone,
        image_size: tuple[int, int],
        components: int,
        expressions: int,
        points: NDArray[np.float32],
        hidden_size: int,
        extent: float,
    ) -> None:
        super().__init__()
        self.body = backbone
        self.side = image_size[1]
        self.initial_scale = 0.5 * self.side / extent
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
        flat *= _INITIAL_SIZE / np.sqrt(np.square(flat).sum(1).mean())
        self.votes = PointVotes(_CHANNELS, torch.from_numpy(flat + 0.5), rows, columns)
        self.squeeze = nn.ModuleList(nn.Conv2d(count, _SQUEEZED, 1) for count in channels[1:])
        self.seen = nn.Linear(
            _SQUEEZED * sum(rows * columns for rows, columns in coarse), hidden_size
        )
        self.inner = nn.Linear(hidden_size + 2 * len(points), hidden_size)
        self.outer = nn.Linear(hidden_size, hidden_size)
        self.last = nn.Linear(hidden_size, sum(self.sizes))
        # The initial output is the mean face, upright and in the centre.
        nn.init.normal_(self.last.weight, std=0.01 / math.sqrt(hidden_size))
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> FaceCoefficients:
        """The faces in normalised crops of shape (batch, channels, *image_size)."""
        maps = self.body(images)[-3:]
        points = self.votes(self._merged(maps))
        centre = points.mean(1)
        offsets = points - centre[:, None]
        size = (offsets.square().sum(-1).mean(1, keepdim=True) + 1e-6).sqrt()
        # The shape of a face does not depend on its position and size in the crop.
        relative = offsets.flatten(1) / size
        squeezed = [
            conv(level).flatten(1) for conv, level in zip(self.squeeze, maps[1:], strict=True)
        ]
        seen = silu(self.seen(torch.cat(squeezed, dim=1)))
        hidden = silu(self.inner(torch.cat([seen, relative], dim=1)))
        hidden = hidden + silu(self.outer(hidden))
        identity, expression, six, scale, position, light, skin = self.last(hidden).split(
            self.sizes, dim=1
        )
        return FaceCoefficients(
            identity,
            expression,
            rotation_from_six(six + six.new_tensor(_UPRIGHT)),
            self.initial_scale * (size / _INITIAL_SIZE * scale.exp())[:, 0],
            self.side * (centre + size * position),
            light.unflatten(1, (9, 3)),
            skin + 0.5,
            self.side * points,
        )

    def _merged(self, maps: list[Tensor]) -> Tensor:
        """The coarser feature maps merged into the finest one."""
        laterals = [conv(level) for conv, level in zip(self.laterals, maps, strict=True)]
        merged = laterals.pop()
        while laterals:
            finer = laterals.pop()
            merged = finer + interpolate(merged, size=finer.shape[2:])
        merged = silu(self.merge(silu(merged)))
        return merged + silu(self.refine(merged))


class PointVotes(nn.Module):
    """Positions of points as weighted means over the cells of a feature map.

    Each cell predicts an offset from itself to the point, and the weight of this vote. Sun et al.
    2018, "Integral Human Pose Regression", uses the weights alone, which cannot locate a point
    outside the image.

    Args:
        channels: Channels of the feature map.
        initial: Shape (points, 2): positions before training, (x, y) as fractions of the image's
            sides.
        rows: Rows of the feature map.
        columns: Columns of the feature map.
    """

    grid: Tensor

    def __init__(self, channels: int, initial: Tensor, rows: int, columns: int) -> None:
        super().__init__()
        self.points = len(initial)
        self.vote = nn.Conv2d(channels, 3 * len(initial), 1)
        nn.init.normal_(self.vote.weight, std=0.01)
        with torch.no_grad():
            offsets = ((initial - 0.5) / _OFFSET_UNIT).t().flatten()
            self.vote.get_parameter("bias").copy_(torch.cat([torch.zeros(len(initial)), offsets]))
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        grid = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows]).flatten(1)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, level: Tensor) -> Tensor:
        """Locate the points.

        Args:
            level: The feature map, shape (batch, channels, rows, columns).

        Returns:
            Shape (batch, points, 2): (x, y) as fractions of the image's sides.
        """
        weight, *offsets = self.vote(level).flatten(2).split(self.points, dim=1)
        weight = weight.softmax(-1)
        votes = _OFFSET_UNIT * torch.stack(offsets, dim=-1) + self.grid.t()
        positions: Tensor = (weight[..., None] * votes).sum(2)
        return positions
