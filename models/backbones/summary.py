"""A network layer by layer: sizes, formulas, parameters, multiply-adds, receptive fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Field:
    """Where in the image the receptive fields of a layer's values lie, as (vertical, horizontal).

    The field of the value in row r covers `size[0]` rows of pixels from `start[0] + r * jump[0]`;
    at the borders of the image a part of it is padding.

    Attributes:
        size: Sides in pixels, through the widest path.
        jump: Distance in pixels between the fields of neighbouring values.
        start: First pixel of the field of the first value; negative in the padding.
    """

    size: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)
    start: tuple[int, int] = (0, 0)


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
        receptive_field: Pixels along the height of the image that an output value can depend on,
            through the widest path; None where it is the whole image.
        field: The receptive fields in both directions; None where they are the whole image.
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
    field: Field | None


_GLOBAL = (nn.Linear, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.MultiheadAttention)


def summarise(
    network: nn.Module,
    shape: tuple[int, ...],
    forward: Callable[[Tensor], Any] | None = None,
) -> list[Layer]:
    """Run a network on an image of zeros and record every layer, in order.

    A layer that runs several times is recorded the first time.

    Args:
        network: Takes float images (batch, channels, height, width).
        shape: (channels, height, width) of the image.
        forward: Runs the network on such images; the network itself by default.

    Raises:
        RuntimeError: If the network cannot take an image of that shape.
    """
    layers: dict[str, Layer] = {}
    # Holding the tensors keeps their addresses distinct, so that fields can be looked up by them.
    held: list[Tensor] = []
    fields: dict[int, Field | None] = {}
    widest: Field | None = Field()

    def before(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            # Norms of timm contain their activation, which follows them.
            if inputs and isinstance(inputs[0], Tensor) and name not in layers:
                fields.setdefault(id(inputs[0]), widest)
                held.append(inputs[0])
                layers[name] = _layer(name, module, inputs[0], inputs[0], fields[id(inputs[0])])

        return hook

    def after(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal widest
            if not inputs or not isinstance(output, Tensor) or not isinstance(inputs[0], Tensor):
                return
            # Results of operations that are not layers (sums, concatenations) get the widest field.
            received = fields.setdefault(id(inputs[0]), widest)
            made = _field_after(module, inputs[0], output, received)
            fields[id(output)] = made
            held.extend((inputs[0], output))
            if widest is not None and (made is None or made.size[0] >= widest.size[0]):
                widest = made
            layers.setdefault(name, _layer(name, module, inputs[0], output, made))

        return hook

    hooks = []
    for name, module in network.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_hook(after(name)))
        elif isinstance(module, _BatchNorm):
            hooks.append(module.register_forward_pre_hook(before(name)))
    mode = network.training
    network.eval()
    try:
        with torch.no_grad():
            (forward or network)(torch.zeros(1, *shape))
    finally:
        network.train(mode)
        for handle in hooks:
            handle.remove()
    return list(layers.values())


def leading_padding(module: nn.Module, received: Tensor, output: Tensor) -> tuple[int, int]:
    """Rows and columns of padding before the first value of a convolution's or pool's input.

    With TensorFlow's "same" padding, as in EfficientNet-Lite, they depend on the input's size.

    Args:
        module: The layer, one with a kernel.
        received: Its input of shape (batch, channels, height, width).
        output: Its output.
    """
    window = _window(module)
    assert window is not None
    kernels, strides, paddings, dilations = window
    found = []
    for axis in range(2):
        kernel, stride, padding = kernels[axis], strides[axis], paddings[axis]
        span = dilations[axis] * (kernel - 1) + 1
        size, made = received.shape[2 + axis], output.shape[2 + axis]
        fits = (size + 2 * padding - span) // stride + 1 == made
        if fits or getattr(module, "ceil_mode", False):
            found.append(padding)
        else:
            found.append(max(0, (made - 1) * stride + span - size) // 2)
    return found[0], found[1]


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


def _field_after(
    module: nn.Module, received: Tensor, output: Tensor, before: Field | None
) -> Field | None:
    if before is None:
        return None
    window = _window(module)
    if window and received.ndim == 4:
        kernel, stride, _, dilation = window
        padding = leading_padding(module, received, output)
        (rows, columns), (down, across), (top, left) = before.size, before.jump, before.start
        return Field(
            (
                rows + (kernel[0] - 1) * dilation[0] * down,
                columns + (kernel[1] - 1) * dilation[1] * across,
            ),
            (down * stride[0], across * stride[1]),
            (top - padding[0] * down, left - padding[1] * across),
        )
    mixes_positions = isinstance(module, _GLOBAL) and (received.ndim == 4 or received.ndim == 2)
    return None if mixes_positions else before


def _layer(
    name: str, module: nn.Module, received: Tensor, output: Tensor, field: Field | None
) -> Layer:
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
        parameters=sum(p.numel() for p in module.parameters(recurse=False)),
        multiply_adds=multiply_adds,
        receptive_field=None if field is None else field.size[0],
        field=field,
    )
