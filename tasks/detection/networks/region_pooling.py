"""RoIAlign on a feature pyramid, each region pooled from the level that suits its size."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import MultiScaleRoIAlign, box_area, roi_align

_CANONICAL_SIDE, _CANONICAL_LEVEL = 224, 4
"""A region of this side in pixels is pooled from the map of stride `2 ** _CANONICAL_LEVEL`."""


class RegionPooling(MultiScaleRoIAlign):  # type: ignore[misc]
    """RoIAlign (He et al. 2017, "Mask R-CNN") on a feature pyramid (Lin et al. 2017).

    Arguments and results are those of torchvision's class, but the pooled features of all levels
    are reordered by whole rows: exported, torchvision's class scatters single elements, which
    takes a tenth of a detector's time. On a CPU with gradients, the regions are pooled by
    `pool_regions`.
    """

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool regions.

        Args:
            x: Maps by name, of shape (batch, channels, rows, columns), finest first.
            boxes: For each image (regions, 4), in pixels of the images.
            image_shapes: (height, width) of the images, all equal.

        Returns:
            Shape (regions of all images, channels, *output_size).
        """
        maps = [x[name] for name in self.featmap_names if name in x]
        # Rounded, as a map's size is where the stride does not divide the image's.
        strides = [round(math.log2(image_shapes[0][0] / each.shape[2])) for each in maps]
        images = [torch.full_like(box[:, :1], i) for i, box in enumerate(boxes)]
        regions = torch.cat([torch.cat(images), torch.cat(boxes)], dim=1)
        sides = box_area(regions[:, 1:]).sqrt()
        levels = (_CANONICAL_LEVEL + torch.log2(sides / _CANONICAL_SIDE) + 1e-6).floor()
        # By position, as torchvision's MobileNet has two maps of the same stride.
        levels = levels.clamp(strides[0], strides[-1]) - strides[0]
        pooled = []
        for i, (features, stride) in enumerate(zip(maps, strides, strict=True)):
            members = torch.where(levels == i)[0]
            trained_on_cpu = features.requires_grad and features.device.type == "cpu"
            pool = pool_regions if trained_on_cpu else roi_align
            scale, samples = 0.5**stride, self.sampling_ratio
            pooled.append(pool(features, regions[members], self.output_size, scale, samples))
        # A permutation: the exported graph knows that the number of regions is unchanged.
        order = levels.long() * 2**20 + torch.arange(levels.shape[0], device=levels.device)
        return torch.cat(pooled)[order.argsort().argsort()]


def pool_regions(
    features: Tensor,
    regions: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
) -> Tensor:
    """RoIAlign as torchvision's `roi_align`, for training on a CPU.

    Each output is a weighted sum of the features of a few positions, in channels-last memory of a
    few rows. torchvision's gradient runs in one thread and adds single elements: with that of its
    forward pass, several times the time.

    Args:
        features: float of shape (batch, channels, rows, columns).
        regions: float (regions, 5): index of the image, and (x1, y1, x2, y2) in pixels.
        output_size: (height, width) of the result.
        spatial_scale: Factor from pixels to cells of the map.
        sampling_ratio: Samples along each axis of an output; at least 1.

    Returns:
        float32 of shape (regions, channels, *output_size), in channels-last memory.
    """
    _, channels, rows, columns = features.shape
    height, width = output_size
    boxes = regions[:, 1:].float() * spatial_scale
    y, y_weights = _samples(boxes[:, 1], boxes[:, 3], rows, height, sampling_ratio)
    x, x_weights = _samples(boxes[:, 0], boxes[:, 2], columns, width, sampling_ratio)
    first = regions[:, 0].long() * rows
    indices = (first[:, None, None] + y)[:, :, None, :, None] * columns + x[:, None, :, None, :]
    weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :]
    pooled = F.embedding_bag(
        indices.flatten(3).flatten(0, 2),
        features.float().permute(0, 2, 3, 1).reshape(-1, channels),
        per_sample_weights=weights.flatten(3).flatten(0, 2),
        mode="sum",
    )
    return pooled.view(-1, height, width, channels).permute(0, 3, 1, 2)


def _samples(
    starts: Tensor, ends: Tensor, cells: int, outputs: int, samples: int
) -> tuple[Tensor, Tensor]:
    """The cells along one axis, and their weights, of which each output is the sum.

    Args:
        starts: Of each region, in cells.
        ends: Of each region, in cells.
        cells: Number of cells.
        outputs: Number of outputs.
        samples: Samples of each output, interpolated linearly between two cells.

    Returns:
        Both of shape (regions, outputs, 2 * samples).
    """
    steps = (ends - starts).clamp(min=1.0) / outputs
    parts = (torch.arange(samples, device=starts.device) + 0.5) / samples
    offsets = torch.arange(outputs, device=starts.device)[:, None] + parts
    places = starts[:, None, None] + steps[:, None, None] * offsets
    inside = (places >= -1) & (places <= cells)
    places = places.clamp(0, cells - 1)
    lower = places.floor()
    fraction = places - lower
    weights = torch.stack([1 - fraction, fraction], -1) * inside[..., None] / samples
    indices = torch.stack([lower, (lower + 1).clamp(max=cells - 1)], -1).long()
    return indices.flatten(2), weights.flatten(2)
