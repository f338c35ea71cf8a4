"""Record the inputs and outputs of chosen layers in one forward pass."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visus.models.inspection.subject import Subject


@dataclass(frozen=True, eq=False)
class LayerValues:
    """What a layer received and returned; copies, as later layers may compute in place.

    Attributes:
        input: Its first argument.
        output: Its output.
    """

    input: Tensor
    output: Tensor


class _Complete(Exception):
    """Ends a forward pass in which every layer has been recorded."""


def record(subject: Subject, names: Iterable[str], images: Tensor) -> dict[str, LayerValues]:
    """Run a network up to the last of these layers, and record the first call of each.

    Gradients flow through the recorded tensors if `images` requires them.

    Args:
        subject: The network.
        names: Names of layers.
        images: uint8 or float of shape (batch, channels, height, width), 0 to 255.
    """
    chosen = set(names)
    received: dict[str, Tensor] = {}
    recorded: dict[str, LayerValues] = {}

    def before(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if name not in received:
                received[name] = inputs[0].clone()

        return hook

    def after(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            if name not in recorded:
                recorded[name] = LayerValues(received[name], output.clone())
            if len(recorded) == len(chosen):
                raise _Complete

        return hook

    hooks = []
    for name in chosen:
        module = subject.network.get_submodule(name)
        hooks.append(module.register_forward_pre_hook(before(name)))
        hooks.append(module.register_forward_hook(after(name)))
    try:
        with torch.set_grad_enabled(images.requires_grad), suppress(_Complete):
            subject.forward(images)
    finally:
        for handle in hooks:
            handle.remove()
    return recorded
