"""Activation functions: their values on an image, their derivatives, channels that are dead."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.models.backbones.summary import Layer
from visus.models.inspection.recording import LayerValues, record
from visus.models.inspection.subject import Subject

_KINDS = frozenset(
    {"ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "GELUTanh", "QuickGELU"}
    | {"SiLU", "Swish", "Mish", "Tanh", "Sigmoid", "Softplus", "Hardtanh", "Hardswish"}
    | {"HardSwish", "Hardsigmoid", "HardSigmoid", "HardMish"}
)
"""Names of the classes of activations in torch and timm."""

STANDARD: dict[str, nn.Module] = {
    "ReLU": nn.ReLU(),
    "leaky ReLU": nn.LeakyReLU(0.1),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "GELU": nn.GELU(),
    "SiLU": nn.SiLU(),
}
"""Common activation functions by name."""


@dataclass(frozen=True)
class DeadChannels:
    """How many channels of an activation layer are positive nowhere on one image.

    Attributes:
        layer: Name of the layer.
        kind: Name of its class.
        dead: Number of these channels.
        channels: Number of all channels.
    """

    layer: str
    kind: str
    dead: int
    channels: int


def activation_layers(subject: Subject) -> list[Layer]:
    """The activations among the layers whose output is a feature map."""
    return [layer for layer in subject.spatial_layers if layer.kind in _KINDS]


def count_dead(subject: Subject) -> list[DeadChannels]:
    """Count the dead channels of each activation layer on the image, in order."""
    layers = activation_layers(subject)
    values = record(subject, [layer.name for layer in layers], subject.image)
    return [
        DeadChannels(layer.name, layer.kind, _dead(values[layer.name]), layer.output[0])
        for layer in layers
    ]


def _dead(values: LayerValues) -> int:
    return int((values.output[0].amax((1, 2)) <= 0).sum())


def curve(
    function: nn.Module, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An activation function and its derivative.

    Args:
        function: Computes each value from one value.
        points: Where to compute them, of shape (points,).

    Returns:
        Values and derivatives, of the same shape.
    """
    inputs = torch.from_numpy(points).float().requires_grad_()
    # Some functions compute in place, which a leaf of the graph does not allow.
    outputs: Tensor = function((inputs * 1).reshape(1, 1, 1, -1)).flatten()
    (slopes,) = torch.autograd.grad(outputs.sum(), inputs)
    return outputs.detach().double().numpy(), slopes.double().numpy()
