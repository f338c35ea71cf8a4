"""What the layers of a network cost: multiply-adds, and the values that they read and write."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_VALUE = 12
"""Multiply-adds that take as long as reading or writing a value.

Fitted to the layers of a detector in OpenVINO on a core with AVX-512: 11 to 16. Layers of few
channels at a high resolution, and depthwise convolutions, are limited by memory.
"""


@dataclass(frozen=True)
class LayerCost:
    """What a convolution or linear layer costs for one image.

    Attributes:
        multiply_adds: Multiplications with addition.
        read: Values of its input.
        written: Values of its output.
    """

    multiply_adds: int
    read: int
    written: int

    @property
    def read_cost(self) -> int:
        """The time to read the input, in multiply-adds."""
        return _VALUE * self.read

    @property
    def written_cost(self) -> int:
        """The time to write the output, in multiply-adds."""
        return _VALUE * self.written

    @property
    def total(self) -> int:
        """The time of the layer, in multiply-adds."""
        return self.multiply_adds + self.read_cost + self.written_cost

    def __add__(self, other: "LayerCost") -> "LayerCost":
        return LayerCost(
            self.multiply_adds + other.multiply_adds,
            self.read + other.read,
            self.written + other.written,
        )


def layer_costs(
    network: nn.Module, compute: Callable[[Tensor], object], images: Tensor
) -> dict[nn.Module, LayerCost]:
    """The cost of each convolution and linear layer for one image.

    Args:
        network: Its layers are measured.
        compute: Runs it.
        images: One image, as `compute` takes it.
    """
    costs: dict[nn.Module, LayerCost] = {}

    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        # Of a convolution, the inputs of one output value; of a linear layer, all inputs.
        each = weight[0].numel()
        own = LayerCost(output.numel() * each, inputs[0].numel(), output.numel())
        costs[module] = costs[module] + own if module in costs else own

    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    hooks = [each.register_forward_hook(record) for each in layers]
    try:
        with torch.inference_mode():
            compute(images)
    finally:
        for hook in hooks:
            hook.remove()
    return costs


def count_multiply_adds(
    network: nn.Module, compute: Callable[[Tensor], object], images: Tensor
) -> int:
    """Multiply-adds of the convolutions and linear layers for one image.

    Args:
        network: Its layers are counted.
        compute: Runs it.
        images: One image, as `compute` takes it.
    """
    return sum(each.multiply_adds for each in layer_costs(network, compute, images).values())


def estimate_cost(network: nn.Module, compute: Callable[[Tensor], object], images: Tensor) -> int:
    """The time of a network for one image, in the multiply-adds that take as long.

    Args:
        network: Its layers are counted.
        compute: Runs it.
        images: One image, as `compute` takes it.
    """
    return sum(each.total for each in layer_costs(network, compute, images).values())
