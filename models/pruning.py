"""Remove the channels of a network that matter least for what they cost."""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visus.models.channel_statistics import ChannelStatistics, reads_channels
from visus.models.channels import RESIZABLE
from visus.vision.errors import VisusError

_MULTIPLE = 8
"""Channels are left in multiples of this, which vector instructions process at once."""

_LEAST = 0.2
"""Fraction of each layer's channels that stays."""

_PART = 0.02
"""Fraction of the multiply-adds that is removed before they are counted again."""


def count_multiply_adds(
    network: nn.Module, compute: Callable[[Tensor], object], images: Tensor
) -> int:
    """Multiply-adds of the convolutions and linear layers for one image.

    Args:
        network: Its layers are counted.
        compute: Runs it.
        images: One image, as `compute` takes it.
    """
    return sum(_layer_costs(network, compute, images).values())


def refuse_unprunable(network: nn.Module, fixed: Collection[nn.Module]) -> None:
    """Refuse a network with layers whose channels cannot be removed.

    Args:
        network: The network.
        fixed: Parts that keep their channels.

    Raises:
        VisusError: Naming the first such layer.
    """
    kept = {module for part in fixed for module in part.modules()}
    for name, module in network.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if own and module not in kept and not isinstance(module, RESIZABLE):
            raise VisusError(
                f"layer {name or 'network'} ({type(module).__name__}) cannot be pruned: only "
                "convolutions, linear layers and batch norms can; choose a model of such layers"
            )


def prune(
    network: nn.Module,
    compute: Callable[[Tensor], Any],
    images: Tensor,
    fixed: Collection[nn.Module],
    multiply_adds: int,
    statistics: ChannelStatistics,
) -> None:
    """Remove channels until a network needs at most so many multiply-adds for an image.

    A channel is removed from all layers that depend on it (Fang et al. 2023, "DepGraph: Towards Any
    Structural Pruning"). Those go first that matter least for the multiply-adds that they cost;
    channels of feature maps to which several layers are added go last. The layers that read them
    are adapted, so that the other channels stand in for them.

    Args:
        network: In evaluation mode; changed in place.
        compute: Runs it; returns a tensor, or several.
        images: One image, as `compute` takes it.
        fixed: Parts that keep their channels, such as the last layers.
        multiply_adds: The target.
        statistics: Recorded on the network's data; changed in place.

    Raises:
        VisusError: If a layer cannot be pruned, or too few channels are left for the target.
    """
    import torch_pruning as pruning

    refuse_unprunable(network, fixed)
    ignored = [module for part in fixed for module in part.modules()]
    own = [value for module in ignored for value in module.parameters(recurse=False)]
    # Traced through functions with gradients; it warns of parameters even where they are ignored.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unwrapped parameters")
        graph = pruning.DependencyGraph().build_dependency(
            network, images, forward_fn=lambda _, each: compute(each), ignored_params=own
        )
    least: dict[nn.Module, int] = {
        module: max(_MULTIPLE, int(_LEAST * _out_channels(module)))
        for module in network.modules()
        if isinstance(module, RESIZABLE)
    }
    costs = _layer_costs(network, compute, images)
    left = sum(costs.values())
    while left > multiply_adds:
        groups = graph.get_all_groups(
            ignored_layers=ignored, root_module_types=[nn.Conv2d, nn.Linear]
        )
        candidates = list(_candidates(graph, groups, statistics.scores, costs, least))
        candidates = [each for each in candidates if each.producers == 1] or candidates
        if not candidates:
            raise VisusError(
                f"no channels are left to prune at {left / 1e6:,.0f} million multiply-adds"
            )
        saved = 0.0
        changed: set[nn.Module] = set()
        for each in sorted(candidates, key=lambda each: each.loss / each.saving):
            if changed.intersection(each.layers):
                continue
            changed.update(each.layers)
            group = graph.get_pruning_group(each.root, each.function, each.indices)
            for dep, indices in group:
                if graph.is_in_channel_pruning_fn(dep.handler):
                    statistics.replace(dep.target.module, indices)
            group.prune()
            saved += each.saving
            # Several at a time, as counting takes a while.
            if saved >= min(left - multiply_adds, _PART * left):
                break
        costs = _layer_costs(network, compute, images)
        left = sum(costs.values())


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Channels that can be removed together.

    Attributes:
        root: The layer whose output channels they are.
        function: Removes them there, in the dependency graph.
        indices: Of the channels.
        loss: Their importance.
        saving: Multiply-adds that they cost.
        producers: Number of layers that compute them; several where their outputs are added.
        layers: All layers that lose channels.
    """

    root: nn.Module
    function: Any
    indices: list[int]
    loss: float
    saving: float
    producers: int
    layers: Collection[nn.Module]


def _candidates(
    graph: Any,
    groups: Iterator[Any],
    scores: Mapping[nn.Module, Tensor],
    costs: Mapping[nn.Module, int],
    least: Mapping[nn.Module, int],
) -> Iterator[_Candidate]:
    """The least important channels of each group of layers that depend on each other."""
    for group in groups:
        root, function = group[0].dep.target.module, group[0].dep.handler
        channels = _out_channels(root)
        if channels - _MULTIPLE < least[root]:
            continue
        total = torch.zeros(channels)
        layers: set[nn.Module] = set()
        producers = 0
        for dep, indices in group:
            module = dep.target.module
            if not isinstance(module, RESIZABLE):
                continue
            layers.add(module)
            if graph.is_out_channel_pruning_fn(dep.handler):
                producers += reads_channels(module)
            elif module in scores:
                own = scores[module][list(indices)].cpu()
                # After a flattening there are several values for each channel.
                total += own.reshape(channels, -1).sum(1)
        # So many that a multiple is left.
        count = channels % _MULTIPLE or _MULTIPLE
        lowest = total.argsort()[:count]
        saving = sum(costs[layer] for layer in layers if layer in costs) * count / channels
        if saving > 0:
            loss = float(total[lowest].sum())
            yield _Candidate(root, function, lowest.tolist(), loss, saving, producers, layers)


def _out_channels(module: nn.Module) -> int:
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(module, name):
            return int(getattr(module, name))
    raise AssertionError(type(module))


def _layer_costs(
    network: nn.Module, compute: Callable[[Tensor], object], images: Tensor
) -> dict[nn.Module, int]:
    """Multiply-adds of each convolution and linear layer."""
    costs: dict[nn.Module, int] = {}

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        if isinstance(module, nn.Conv2d):
            own = output.numel() * weight[0].numel()
        else:
            own = output.numel() * weight.shape[1]
        costs[module] = costs.get(module, 0) + own

    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    hooks = [each.register_forward_hook(count) for each in layers]
    try:
        with torch.inference_mode():
            compute(images)
    finally:
        for hook in hooks:
            hook.remove()
    return costs
