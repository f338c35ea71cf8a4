"""A layer that finds the relevant part of an image, and resamples it upright and enlarged."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LARGEST_SIDE = 64
"""Larger images are averaged to this side in pixels before the localisation network."""
_CELLS = 6
"""Rows and columns of the feature map from which the transformation is computed."""


class SpatialTransformer(nn.Module):
    """An affine transformation of the image, predicted from the image.

    Jaderberg et al. 2015, "Spatial Transformer Networks": a small localisation network predicts
    the six numbers of an affine map, from a regular grid to positions in the image, at which the
    image is interpolated. All of it is differentiable, so that it is trained by the classifier's
    loss alone. It starts as the identity.

    Args:
        in_channels: Channels of the images.
        width: Channels of the localisation network.
    """

    def __init__(self, in_channels: int, width: int = 24) -> None:
        super().__init__()
        self.localisation = nn.Sequential(
            nn.Conv2d(in_channels, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(_CELLS),
            nn.Flatten(),
            nn.Linear(width * _CELLS**2, 64),
            nn.ReLU(),
        )
        self.to_affine = nn.Linear(64, 6)
        nn.init.zeros_(self.to_affine.weight)
        with torch.no_grad():
            self.to_affine.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def affine(self, images: Tensor) -> Tensor:
        """The affine maps from the output to the images.

        Args:
            images: Normalised, float of shape (batch, channels, height, width).

        Returns:
            float of shape (batch, 2, 3), in coordinates from -1 to 1 of (x, y): rows of the matrix
            and the shift.
        """
        height, width = images.shape[2:]
        if max(height, width) > _LARGEST_SIDE:
            size = (min(height, _LARGEST_SIDE), min(width, _LARGEST_SIDE))
            images = F.adaptive_avg_pool2d(images, size)
        features = self.localisation(images)
        # Positions in half precision would be wrong by a pixel.
        with torch.autocast(images.device.type, enabled=False):
            parameters: Tensor = self.to_affine(features.to(images.dtype))
        return parameters.view(-1, 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        """The transformed images, of the same shape; 0 beyond the edges of the image."""
        return resample(images, self.affine(images))

    def outline(self, images: Tensor) -> Tensor:
        """The corners of the region of each image that is passed on.

        Returns:
            float of shape (batch, 4, 2): x and y in pixels, clockwise from the top left.
        """
        affine = self.affine(images)
        corners = affine.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        places = corners @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2]
        height, width = images.shape[2:]
        return (places + 1) / 2 * affine.new_tensor([width, height])

    def to_image(self, maps: Tensor, images: Tensor) -> Tensor:
        """Maps over the output as maps over the images, 0 outside of the region.

        Args:
            maps: float of shape (batch, channels, height, width).
            images: As for `forward`.
        """
        affine = self.affine(images)
        inverse = torch.linalg.inv(affine[:, :, :2])
        return resample(maps, torch.cat([inverse, -inverse @ affine[:, :, 2:]], dim=2))


def resample(images: Tensor, affine: Tensor) -> Tensor:
    """Interpolate images at the positions to which an affine map sends a regular grid.

    Args:
        images: float of shape (batch, channels, height, width).
        affine: See `SpatialTransformer.affine`.

    Returns:
        The shape of `images`.
    """
    height, width = images.shape[2:]
    # Written out, because not every runtime has `affine_grid`.
    y = (torch.arange(height, device=images.device, dtype=affine.dtype) + 0.5) * (2 / height) - 1
    x = (torch.arange(width, device=images.device, dtype=affine.dtype) + 0.5) * (2 / width) - 1
    rows = affine[:, None, None, :, 1] * y[None, :, None, None] + affine[:, None, None, :, 2]
    grid = affine[:, None, None, :, 0] * x[None, None, :, None] + rows
    return F.grid_sample(images, grid.to(images.dtype), align_corners=False)
