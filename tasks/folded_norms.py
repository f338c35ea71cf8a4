"""Frozen batch norms, computed by the convolutions before them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame, conv2d_same
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, fx, nn

_Norm = nn.BatchNorm2d
_Convolution = nn.Conv2d


def fold_frozen_norms(network: nn.Module) -> int:
    """Compute each batch norm whose statistics are frozen within the convolution before it.

    With fixed statistics it only scales and shifts the channels. The convolution does so with
    scaled weights and another bias, through which the gradients of all parameters flow, so that
    neither the forward nor the backward pass reads the feature maps for it. Results are equal up to
    rounding. Parameters, buffers and their names are unchanged, and so is the computation without
    gradients, as in evaluation and export, and while statistics are updated.

    Args:
        network: A network; one that `torch.fx` cannot trace is unchanged.

    Returns:
        Number of batch norms that were newly prepared.
    """
    pairs = [pair for pair in _pairs(network) if not any(_is_prepared(part) for part in pair)]
    for convolution, norm in pairs:
        # Attributes of the instances, which are called in place of the methods of their classes.
        vars(convolution)["forward"] = partial(_convolve, convolution, norm)
        vars(norm)["forward"] = partial(_finish, norm)
    return len(pairs)


def unfold_norms(network: nn.Module) -> None:
    """Undo `fold_frozen_norms`, for tools that trace how layers depend on each other."""
    for module in network.modules():
        if isinstance(module, _Convolution | _Norm) and _is_prepared(module):
            del vars(module)["forward"]


def _is_prepared(module: nn.Module) -> bool:
    return "forward" in vars(module)


class _Tracer(fx.Tracer):
    """Traces down to convolutions and batch norms, and not into them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `torch.fx.Tracer.is_leaf_module`."""
        return isinstance(m, _Convolution | _Norm) or super().is_leaf_module(
            m, module_qualified_name
        )


def _pairs(network: nn.Module) -> list[tuple[_Convolution, _Norm]]:
    """The batch norms that alone use the output of a convolution, with that convolution."""
    if not any(type(module) in _TAILS for module in network.modules()):
        return []
    try:
        nodes = list(_Tracer().trace(network).nodes)
    except Exception:
        # Networks whose computation depends on values fail in many ways, and work as they are.
        return []
    modules = dict(network.named_modules())
    called = [modules[str(node.target)] for node in nodes if node.op == "call_module"]
    pairs = []
    for node in nodes:
        if node.op != "call_module" or not (node.args and isinstance(node.args[0], fx.Node)):
            continue
        norm, source = modules[str(node.target)], node.args[0]
        if type(norm) not in _TAILS or norm.running_var is None or norm.weight is None:
            continue
        if source.op != "call_module" or len(source.users) != 1:
            continue
        convolution = modules[str(source.target)]
        plain = type(convolution) in _CONVOLUTIONS and convolution.padding_mode == "zeros"
        if plain and called.count(convolution) == called.count(norm) == 1:
            pairs.append((convolution, norm))
    return pairs


def _folds(norm: _Norm) -> bool:
    return not norm.training and torch.is_grad_enabled()


def _convolve(convolution: _Convolution, norm: _Norm, images: Tensor) -> Tensor:
    """The output of both, or of the convolution alone while the norm computes its own."""
    if not _folds(norm):
        output: Tensor = type(convolution).forward(convolution, images)
        return output
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * scale
    if convolution.bias is not None:
        bias = bias + convolution.bias * scale
    weight = convolution.weight * scale[:, None, None, None]
    return _CONVOLUTIONS[type(convolution)](convolution, images, weight, bias)


def _finish(norm: _Norm, images: Tensor) -> Tensor:
    """What remains of a norm after its convolution, or all of it."""
    output: Tensor
    output = (_TAILS[type(norm)] if _folds(norm) else type(norm).forward)(norm, images)
    return output


def _convolve_same(convolution: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    output: Tensor = conv2d_same(
        images,
        weight,
        bias,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        convolution.groups,
    )
    return output


def _activate(norm: Any, images: Tensor) -> Tensor:
    output: Tensor = norm.act(norm.drop(images))
    return output


_CONVOLUTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv2d: nn.Conv2d._conv_forward,
    Conv2dSame: _convolve_same,
}
_TAILS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.BatchNorm2d: lambda norm, images: images,
    BatchNormAct2d: _activate,
}
