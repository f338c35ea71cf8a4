"""Effective receptive fields: how much each pixel changes a value of a feature map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from visus.models.backbones.summary import Layer
from visus.models.inspection.recording import record
from visus.models.inspection.subject import Subject


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """The gradient of a feature map at one position with respect to the pixels.

    Attributes:
        row: Row of the position in the feature map.
        column: Column of the position in the feature map.
        magnitude: float32 (height, width) of the image, 0 to 1: the absolute gradient of the sum
            of all channels, summed over the image's channels, relative to its largest value.
        share: Fraction of the gradient inside the theoretical receptive field, 0 to 1.
    """

    row: int
    column: int
    magnitude: NDArray[np.float32]
    share: float


def effective_fields(
    subject: Subject, layers: Sequence[Layer], steps: int
) -> dict[str, list[EffectiveField]]:
    """The effective fields of layers on a grid of steps x steps positions, row by row.

    Luo et al. (2016), "Understanding the effective receptive field in deep CNNs".

    Args:
        subject: The network and the image.
        layers: Of `Subject.spatial_layers`.
        steps: Number of positions along each side.
    """
    images = subject.image.float().requires_grad_()
    recorded = record(subject, [layer.name for layer in layers], images)
    fields: dict[str, list[EffectiveField]] = {}
    for layer in layers:
        total = recorded[layer.name].output[0].sum(0)
        rows, columns = (grid_positions(side, steps) for side in total.shape)
        fields[layer.name] = []
        for row in rows:
            for column in columns:
                (gradient,) = torch.autograd.grad(total[row, column], images, retain_graph=True)
                magnitude = gradient[0].abs().sum(0)
                share = _inside(magnitude, layer, row, column)
                magnitude = magnitude / magnitude.max().clamp(min=1e-12)
                array = np.asarray(magnitude.cpu().numpy(), np.float32)
                fields[layer.name].append(EffectiveField(row, column, array, share))
    return fields


def grid_positions(side: int, steps: int) -> list[int]:
    """Evenly spaced positions in a map of this side, away from its borders."""
    return [int((i + 0.5) * side / steps) for i in range(steps)]


def _inside(magnitude: torch.Tensor, layer: Layer, row: int, column: int) -> float:
    if layer.field is None:
        return 1.0
    field = layer.field
    top, left = field.start[0] + row * field.jump[0], field.start[1] + column * field.jump[1]
    bottom, right = top + field.size[0], left + field.size[1]
    part = magnitude[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    return float(part.sum() / magnitude.sum().clamp(min=1e-12))
