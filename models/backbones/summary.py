"""Walk through a network layer by layer: sizes, formulas, parameters, work, receptive field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer as it was met on the way through.

    Attributes:
        name: Where it stands in the network.
        kind: Its class.
        kernel: (height, width) of its window, or None.
        stride: Of its window, or None.
        padding: Of its window, or None.
        output: Shape of its output without the batch.
        formula: How the output's height follows, where the layer has a window.
        parameters: Its own trainable numbers.
        multiply_adds: Multiplications with addition for one image.
        receptive_field: Pixels of the image along one side that an output number can depend on,
            through the widest path; None once it is the whole image.
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
class _Reach:
    """How far one number of a tensor sees: the side of its field, and pixels between neighbours."""

    field: int = 1
    jump: int = 1
    whole: bool = False


_GLOBAL = (nn.Linear, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.MultiheadAttention)


def summarise(network: nn.Module, shape: tuple[int, int, int]) -> list[Layer]:
    """Run an image of zeros through and note every layer, in order.

    Args:
        network: Takes float images (batch, channels, height, width).
        shape: (channels, height, width) of the image.

    Raises:
        RuntimeError: If the network cannot take an image of that shape.
    """
    layers: list[Layer] = []
    # Tensors are kept, so that no two of them share an address and reaches can be looked up by it.
    kept: list[Tensor] = []
    reaches: dict[int, _Reach] = {}
    widest = _Reach()

    def note(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal widest
            if not isinstance(output, Tensor) or not isinstance(inputs[0], Tensor):
                return
            # What no layer made (a sum, a concatenation) sees as far as anything so far.
            before = reaches.setdefault(id(inputs[0]), widest)
            after = _reach_after(module, inputs[0], before)
            reaches[id(output)] = after
            kept.extend((inputs[0], output))
            if (after.whole, after.field) >= (widest.whole, widest.field):
                widest = after
            layers.append(_layer(name, module, inputs[0], output, after))

        return hook

    hooks = [
        module.register_forward_hook(note(name))
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
    """Kernel, stride, padding and dilation of a layer that slides a window."""
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    padding = module.padding if not isinstance(module.padding, str) else 0
    dilation = getattr(module, "dilation", 1)
    stride = module.stride or module.kernel_size
    return _pair(module.kernel_size), _pair(stride), _pair(padding), _pair(dilation)


def _reach_after(module: nn.Module, received: Tensor, before: _Reach) -> _Reach:
    window = _window(module)
    if window:
        (kernel, _), (stride, _), _, (dilation, _) = window
        field = before.field + (kernel - 1) * dilation * before.jump
        return _Reach(field, before.jump * stride, before.whole)
    mixes_places = isinstance(module, _GLOBAL) and (received.ndim == 4 or received.ndim == 2)
    if mixes_places:
        return _Reach(before.field, before.jump, True)
    return before


def _layer(name: str, module: nn.Module, received: Tensor, output: Tensor, after: _Reach) -> Layer:
    window = _window(module)
    formula = ""
    if window and received.ndim == 4:
        (kernel, _), (stride, _), (padding, _), (dilation, _) = window
        span = f"{dilation}*({kernel} - 1) + 1" if dilation > 1 else str(kernel)
        before, after_window = received.shape[2], output.shape[2]
        formula = f"({before} + 2*{padding} - {span})/{stride} + 1 = {after_window}"
        if (before + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 != after_window:
            # TensorFlow's "same" padding, or a pool that rounds up.
            formula = f"padded to fit: ceil({before}/{stride}) = {after_window}"
    work = 0
    if isinstance(module, nn.Conv2d):
        work = output.numel() * module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        work = output.numel() * module.in_features
    return Layer(
        name=name,
        kind=type(module).__name__,
        kernel=window[0] if window else None,
        stride=window[1] if window else None,
        padding=window[2] if window else None,
        output=tuple(output.shape[1:]),
        formula=formula,
        parameters=sum(p.numel() for p in module.parameters()),
        multiply_adds=work,
        receptive_field=None if after.whole else after.field,
    )
