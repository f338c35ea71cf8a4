"""Joint bilateral upsampling: from coarse logits to the image's size, along the image's edges."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_RADIUS = 2
"""Neighbouring cells on each side that contribute to a pixel."""


class JointBilateralUpsampling(nn.Module):
    """Averages the logits of the cells around each pixel, weighted by colour and distance.

    Kopf et al. 2007, "Joint Bilateral Upsampling"; the precision of both weights is trained.
    """

    def __init__(self) -> None:
        super().__init__()
        # Logarithms, so that both stay positive; for images normalised to about -1 to 1.
        self.colour = nn.Parameter(torch.tensor(math.log(30.0)))
        self.distance = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, images: Tensor, logits: Tensor) -> Tensor:
        """Logits of shape (batch, classes, height, width).

        Args:
            images: Normalised, of shape (batch, channels, height, width).
            logits: Of shape (batch, classes, rows, columns); each cell covers a square of pixels.
        """
        device = images.device.type
        if torch.is_autocast_enabled(device):
            # The differences of colours are too small for bfloat16.
            with torch.autocast(device, enabled=False):
                return self(images.float(), logits.float())  # type: ignore[no-any-return]
        height, width = images.shape[-2:]
        rows, columns = logits.shape[-2:]
        stride = max(-(-height // rows), -(-width // columns))
        below, right = rows * stride - height, columns * stride - width
        images = F.pad(images, (0, right, 0, below), mode="replicate")
        cells = _neighbours(F.avg_pool2d(images, stride))
        pixels = _pixels(images, stride)
        # The pixel's own square in the squared difference of two colours cancels in the softmax.
        precision = self.colour.exp()
        products = (2 * precision * cells).transpose(1, 2) @ pixels
        squares = precision * cells.square().sum(1)[:, :, None]
        distances = self.distance.exp() * _squared_distances(stride).to(cells)
        averaged = _neighbours(logits) @ (products - (squares + distances)).softmax(1)
        blocks = averaged.view(-1, rows, columns, logits.shape[1] * stride**2).permute(0, 3, 1, 2)
        return F.pixel_shuffle(blocks, stride)[..., :height, :width]


def _neighbours(maps: Tensor) -> Tensor:
    """The values in and around each cell, shape (batch * rows * columns, channels, cells)."""
    rows, columns = maps.shape[-2:]
    padded = F.pad(maps, (_RADIUS,) * 4, mode="replicate")
    side = range(2 * _RADIUS + 1)
    around = [padded[..., y : y + rows, x : x + columns] for y in side for x in side]
    return torch.stack(around, -1).permute(0, 2, 3, 1, 4).flatten(0, 2)


def _pixels(images: Tensor, stride: int) -> Tensor:
    """The pixels of each cell, shape (batch * rows * columns, channels, stride squared)."""
    batch, channels, height, width = images.shape
    split = images.reshape(batch, channels, height // stride, stride, width // stride, stride)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, stride**2)


def _squared_distances(stride: int) -> Tensor:
    """From each neighbouring cell to each pixel of the central one, in cells, (cells, pixels)."""
    cells = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float32)
    pixels = (torch.arange(stride, dtype=torch.float32) + 0.5) / stride - 0.5
    along = (cells[:, None] - pixels).square()
    return (along[:, None, :, None] + along[None, :, None, :]).reshape(len(cells) ** 2, -1)
