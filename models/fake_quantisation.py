"""Networks that compute as their int8 form will, and can still be trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_MOMENTUM = 0.05
"""Of the running range of a layer's inputs."""


@contextmanager
def fake_quantised(network: nn.Module) -> Iterator[None]:
    """Rounds the weights and the inputs of convolutions and linear layers to 8 bits.

    Gradients pass as if nothing was rounded (Jacob et al. 2018, "Quantization and Training of
    Neural Networks for Efficient Integer-Arithmetic-Only Inference"), so that training within makes
    the network robust to it. Afterwards its weights are exact again.

    Args:
        network: Its layers are changed until the context ends.
    """
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    hooks = []
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", _RoundedWeight(), unsafe=True)
        hooks.append(layer.register_forward_pre_hook(_RoundedInput()))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class _RoundedWeight(nn.Module):
    """Rounds each output channel within its own range, symmetric around zero."""

    def forward(self, weight: Tensor) -> Tensor:
        scales = weight.detach().flatten(1).abs().amax(1).clamp(min=1e-8) / 127
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scales.float(), zeros, 0, -127, 127)


class _RoundedInput:
    """Rounds all inputs of a layer within their running range."""

    def __init__(self) -> None:
        self._range: Tensor | None = None

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (received,) = inputs
        with torch.no_grad():
            low, high = received.detach().float().aminmax()
            # Zero, the value of padding, is exact.
            current = torch.stack([low.clamp(max=0), high.clamp(min=1e-6)])
            if self._range is None:
                self._range = current
            self._range = torch.lerp(self._range, current, _MOMENTUM)
            low, high = self._range.unbind()
            scale = (high - low) / 255
            zero = (-low / scale).round().clamp(0, 255).to(torch.int32)
        rounded = torch.fake_quantize_per_tensor_affine(received.float(), scale, zero, 0, 255)
        return (rounded.to(received.dtype),)
