"""Remove the channels of a network that matter least for what they cost."""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visus.models.channel_statistics import ChannelStatistics, reads_channels
from visus.models.channels import RESIZABLE
from visus.models.costs import LayerCost, layer_costs
from visus.vision.errors import VisusError


class NothingToPruneError(VisusError):
    """Too few channels are left for the target."""


_MULTIPLE = 8
"""Channels are left in multiples of this, which vector instructions process at once."""

_LEAST = 0.2
"""Fraction of each layer's channels that stays."""

_PART = 0.02
"""Fraction of the cost that is removed before it is estimated again."""


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
        groups = module.groups if isinstance(module, nn.Conv2d) and module not in kept else 1
        if groups > 1 and reads_channels(module):
            raise VisusError(
                f"layer {name or 'network'} (Conv2d of {groups} groups) cannot be pruned: only "
                "depthwise and ungrouped convolutions can; choose a model of such layers"
            )


def prune(
    network: nn.Module,
    compute: Callable[[Tensor], Any],
    images: Tensor,
    fixed: Collection[nn.Module],
    cost: int,
    statistics: ChannelStatistics,
) -> None:
    """Remove channels until a network costs at most so much for an image.

    A channel is removed from all layers that depend on it (Fang et al. 2023, "DepGraph: Towards Any
    Structural Pruning"). Those go first that matter least for what they cost; channels of feature
    maps to which several layers are added go last. The layers that read them are adapted, so that
    the other channels stand in for them.

    Args:
        network: In evaluation mode; changed in place.
        compute: Runs it; returns a tensor, or several.
        images: One image, as `compute` takes it.
        fixed: Parts that keep their channels, such as the last layers.
        cost: The target, as `estimate_cost` gives it.
        statistics: Recorded on the network's data; changed in place.

    Raises:
        VisusError: If a layer cannot be pruned.
        NothingToPruneError: If too few channels are left for the target.
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
    costs = layer_costs(network, compute, images)
    left = sum(each.total for each in costs.values())
    while left > cost:
        found = graph.get_all_groups(
            ignored_layers=ignored, root_module_types=[nn.Conv2d, nn.Linear]
        )
        groups = list(_channel_groups(graph, found, statistics.scores, costs))
        chunks = [chunk for group in groups for chunk in _chunks(group, least[group.root])]
        chunks = [each for each in chunks if each.group.producers == 1] or chunks
        if not chunks:
            raise NothingToPruneError(
                f"no channels are left to prune at a cost of {left / 1e6:,.0f} million"
            )
        # Some at a time, as counting takes a while.
        for group, count in _choose(chunks, min(left - cost, _PART * left)).items():
            chosen = group.order[:count].tolist()
            removal = graph.get_pruning_group(group.root, group.function, chosen)
            for dep, indices in removal:
                if graph.is_in_channel_pruning_fn(dep.handler):
                    statistics.replace(dep.target.module, indices)
            removal.prune()
        costs = layer_costs(network, compute, images)
        left = sum(each.total for each in costs.values())


@dataclass(frozen=True, eq=False)
class _ChannelGroup:
    """Layers whose channels are removed together.

    Attributes:
        root: The layer whose output channels they are.
        function: Removes them there, in the dependency graph.
        order: The channels, the least important first.
        losses: Their importance in that order.
        saving: What a channel costs, in multiply-adds.
        producers: Number of layers that compute them; several where their outputs are added.
        layers: All layers that lose channels.
    """

    root: nn.Module
    function: Any
    order: Tensor
    losses: Tensor
    saving: float
    producers: int
    layers: Collection[nn.Module]


@dataclass(frozen=True)
class _Chunk:
    """Channels of a group that are removed after its less important ones.

    Attributes:
        group: The group.
        end: Number of channels that are gone with it.
        size: Its number of channels.
        ratio: Importance relative to what is saved.
    """

    group: _ChannelGroup
    end: int
    size: int
    ratio: float


def _channel_groups(
    graph: Any,
    found: Iterator[Any],
    scores: Mapping[nn.Module, Tensor],
    costs: Mapping[nn.Module, LayerCost],
) -> Iterator[_ChannelGroup]:
    """The groups of layers that depend on each other, with their channels by importance."""
    for group in found:
        root, function = group[0].dep.target.module, group[0].dep.handler
        channels = _out_channels(root)
        total = torch.zeros(channels)
        layers: set[nn.Module] = set()
        producers, saving = 0, 0.0
        for dep, indices in group:
            module = dep.target.module
            if not isinstance(module, RESIZABLE):
                continue
            layers.add(module)
            cost = costs.get(module)
            if graph.is_out_channel_pruning_fn(dep.handler):
                producers += reads_channels(module)
                if cost is not None:
                    # A depthwise convolution also reads them.
                    read = 0 if reads_channels(module) else cost.read_cost
                    saved = cost.multiply_adds + cost.written_cost + read
                    saving += saved * len(indices) / _out_channels(module)
                continue
            if cost is not None:
                # Of concatenated channels they may be a part.
                saved = cost.multiply_adds + cost.read_cost
                saving += saved * len(indices) / _in_channels(module)
            if module in scores:
                own = scores[module][list(indices)].cpu()
                # After a flattening there are several values for each channel.
                total += own.reshape(channels, -1).sum(1)
        losses, order = total.sort()
        yield _ChannelGroup(root, function, order, losses, saving / channels, producers, layers)


def _chunks(group: _ChannelGroup, least: int) -> Iterator[_Chunk]:
    """The channels that a group may lose, in chunks after each of which a multiple is left."""
    channels, end = len(group.order), 0
    while group.saving > 0:
        size = (channels - end) % _MULTIPLE or _MULTIPLE
        if channels - end - size < least:
            return
        loss = float(group.losses[end : end + size].mean())
        end += size
        yield _Chunk(group, end, size, loss / group.saving)


def _choose(chunks: Collection[_Chunk], saving: float) -> dict[_ChannelGroup, int]:
    """How many channels each group loses to save so much."""
    chosen: dict[_ChannelGroup, int] = {}
    taken: dict[nn.Module, _ChannelGroup] = {}
    saved = 0.0
    for chunk in sorted(chunks, key=lambda each: each.ratio):
        group = chunk.group
        # Two groups with a common layer would count its cost twice.
        if any(taken.get(layer, group) is not group for layer in group.layers):
            continue
        taken |= dict.fromkeys(group.layers, group)
        chosen[group] = chunk.end
        saved += chunk.size * group.saving
        if saved >= saving:
            break
    return chosen


def _in_channels(module: nn.Module) -> int:
    return int(module.in_channels if isinstance(module, nn.Conv2d) else module.in_features)  # type: ignore[arg-type]


def _out_channels(module: nn.Module) -> int:
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(module, name):
            return int(getattr(module, name))
    raise AssertionError(type(module))
