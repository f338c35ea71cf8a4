"""Layers with fewer channels than their architecture has, described by plain values."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

ChannelPlan = Mapping[str, Mapping[str, int]]
"""By name of a layer, those of its sizes that differ from the architecture's.

`out_channels`, `in_channels` and `groups` of a convolution, `out_features` and `in_features` of a
linear layer, `num_features` of a batch norm.
"""

RESIZABLE = (nn.Conv2d, nn.Linear, _BatchNorm)
"""Kinds of layers whose channels may be removed."""


def layer_sizes(network: nn.Module) -> dict[str, dict[str, int]]:
    """The sizes of all layers that may be resized, by name."""
    return {
        name: _sizes(module)
        for name, module in network.named_modules()
        if isinstance(module, RESIZABLE)
    }


def plan_between(
    before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """The plan that turns the sizes of one network into those of another."""
    changed = {
        layer: {key: value for key, value in sizes.items() if value != before[layer][key]}
        for layer, sizes in after.items()
    }
    return {layer: sizes for layer, sizes in changed.items() if sizes}


def apply_plan(network: nn.Module, plan: ChannelPlan) -> None:
    """Give layers the sizes of a plan; their weights are unspecified afterwards.

    Args:
        network: Of the architecture that the plan is for.
        plan: The sizes.

    Raises:
        ValueError: If the network has no such layer, or a layer cannot have such a size.
    """
    for name, sizes in plan.items():
        try:
            module = network.get_submodule(name)
        except AttributeError:
            raise ValueError(f"there is no layer {name!r}") from None
        if not isinstance(module, RESIZABLE):
            raise ValueError(f"{name!r} is a {type(module).__name__}")
        known = _sizes(module)
        for key, value in sizes.items():
            valid = isinstance(value, int) and not isinstance(value, bool)
            if key not in known or not valid or not 0 < value <= known[key]:
                raise ValueError(f"{name}: {key} {value!r} is not possible")
            setattr(module, key, value)
        _resize_tensors(module)


def _sizes(module: nn.Module) -> dict[str, int]:
    keys: tuple[str, ...]
    if isinstance(module, nn.Conv2d):
        keys = ("out_channels", "in_channels", "groups")
    elif isinstance(module, nn.Linear):
        keys = ("out_features", "in_features")
    else:
        keys = ("num_features",)
    return {key: int(getattr(module, key)) for key in keys}


def _resize_tensors(module: nn.Module) -> None:
    """Cut the parameters and buffers to the module's sizes."""
    values: dict[str, Any] = {**module._parameters, **module._buffers}
    for name, value in values.items():
        if value is None or value.ndim == 0:
            continue
        shape = _shape(module, value)
        cut = value.detach()[tuple(slice(size) for size in shape)].clone()
        if cut.shape != shape:
            raise ValueError(f"{name} cannot have shape {shape}")
        if name in module._parameters:
            setattr(module, name, nn.Parameter(cut, requires_grad=value.requires_grad))
        else:
            setattr(module, name, cut)


def _shape(module: nn.Module, value: Tensor) -> tuple[int, ...]:
    if isinstance(module, nn.Conv2d):
        if module.in_channels % module.groups:
            raise ValueError(f"{module.in_channels} in {module.groups} groups")
        own = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
    elif isinstance(module, nn.Linear):
        own = (module.out_features, module.in_features)
    else:
        assert isinstance(module, _BatchNorm)
        own = (module.num_features,)
    return own[: value.ndim]
