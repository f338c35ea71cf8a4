"""A network layer by layer: sizes, formulas, parameters, multiply-adds, receptive fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer in the order of the computation.

    Attributes:
        name: Its dotted name in the network.
        kind: Name of its class.
        kernel: (height, width) of its kernel, or None.
        stride: (height, width) of its stride, or None.
        padding: (height, width) of its padding, or None.
        output: Shape of its output without the batch.
        formula: The calculation of the output's height, where the layer has a kernel.
        parameters: Number of its trainable parameters.
        multiply_adds: Multiplications with addition for one image.
        receptive_field: Pixels along one side of the image that an output value can depend on,
            through the widest path; None where it is the whole image.
    """

    name: str
    kind: str
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    output: tuple[int, ...]
    formula: str
    parameters: int
    multiply_adds: int
    receptive_field: int | None


@dataclass
class _Field:
    """Receptive field of the values of a tensor: its side, and pixels between neighbours."""

    side: int = 1
    jump: int = 1
    whole: bool = False


_GLOBAL = (nn.Linear, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.MultiheadAttention)


def summarise(network: nn.Module, shape: tuple[int, int, int]) -> list[Layer]:
    """Run a network on an image of zeros and record every layer, in order.

    Args:
        network: Takes float images (batch, channels, height, width).
        shape: (channels, height, width) of the image.

    Raises:
        RuntimeError: If the network cannot take an image of that shape.
    """
    layers: list[Layer] = []
    # Holding the tensors keeps their addresses distinct, so that fields can be looked up by them.
    held: list[Tensor] = []
    fields: dict[int, _Field] = {}
    widest = _Field()

    def record(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal widest
            if not isinstance(output, Tensor) or not isinstance(inputs[0], Tensor):
                return
            # Results of operations that are no layers (sums, concatenations) get the widest field.
            before = fields.setdefault(id(inputs[0]), widest)
            after = _field_after(module, inputs[0], before)
            fields[id(output)] = after
            held.extend((inputs[0], output))
            if (after.whole, after.side) >= (widest.whole, widest.side):
                widest = after
            layers.append(_layer(name, module, inputs[0], output, after))

        return hook

    hooks = [
        module.register_forward_hook(record(name))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    mode = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    network.train(mode)
    for handle in hooks:
        handle.remove()
    return layers


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) else (int(value), int(value))


def _window(module: nn.Module) -> tuple[tuple[int, int], ...] | None:
    """Kernel, stride, padding and dilation of a convolution or a pooling layer."""
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    padding = module.padding if not isinstance(module.padding, str) else 0
    dilation = getattr(module, "dilation", 1)
    stride = module.stride or module.kernel_size
    return _pair(module.kernel_size), _pair(stride), _pair(padding), _pair(dilation)


def _field_after(module: nn.Module, received: Tensor, before: _Field) -> _Field:
    window = _window(module)
    if window:
        (kernel, _), (stride, _), _, (dilation, _) = window
        side = before.side + (kernel - 1) * dilation * before.jump
        return _Field(side, before.jump * stride, before.whole)
    mixes_positions = isinstance(module, _GLOBAL) and (received.ndim == 4 or received.ndim == 2)
    if mixes_positions:
        return _Field(before.side, before.jump, True)
    return before


def _layer(name: str, module: nn.Module, received: Tensor, output: Tensor, after: _Field) -> Layer:
    window = _window(module)
    formula = ""
    if window and received.ndim == 4:
        (kernel, _), (stride, _), (padding, _), (dilation, _) = window
        span = f"{dilation}*({kernel} - 1) + 1" if dilation > 1 else str(kernel)
        before, after_window = received.shape[2], output.shape[2]
        formula = f"({before} + 2*{padding} - {span})/{stride} + 1 = {after_window}"
        if (before + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 != after_window:
            # TensorFlow's "same" padding, or a pool that rounds up.
            formula = f"adaptive padding: ceil({before}/{stride}) = {after_window}"
    multiply_adds = 0
    if isinstance(module, nn.Conv2d):
        multiply_adds = output.numel() * module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        multiply_adds = output.numel() * module.in_features
    return Layer(
        name=name,
        kind=type(module).__name__,
        kernel=window[0] if window else None,
        stride=window[1] if window else None,
        padding=window[2] if window else None,
        output=tuple(output.shape[1:]),
        formula=formula,
        parameters=sum(p.numel() for p in module.parameters()),
        multiply_adds=multiply_adds,
        receptive_field=None if after.whole else after.side,
    )
