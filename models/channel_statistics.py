"""What the layers of a network read: how much each channel matters, and how others replace it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_POSITIONS = 2048
"""Positions of a feature map that are sampled in each pass."""

_LARGEST = 2304
"""The most values that one output of a layer depends on, for which second moments are kept."""

_RIDGE = 1e-3
"""Relative to the mean of the second moments; keeps their inverse stable."""


class ChannelStatistics:
    """The importance of the channels that each layer reads, and their second moments.

    The importance of a channel is the Fisher information of a factor of it (Liu et al. 2021, "Group
    Fisher Pruning for Practical Network Compression"): the squared derivative of the loss by that
    factor, summed over samples.

    Args:
        network: The network, in evaluation mode.

    Attributes:
        scores: The importance of the channels that each layer reads, of shape (channels,).
    """

    def __init__(self, network: nn.Module) -> None:
        self.scores: dict[nn.Module, Tensor] = {}
        self._network = network
        self._moments: dict[nn.Module, Tensor] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Adds what is computed within, in forward and backward passes."""
        layers = [module for module in self._network.modules() if reads_channels(module)]
        hooks = [module.register_forward_pre_hook(self._record) for module in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _record(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (received,) = inputs
        if not received.requires_grad:
            return
        # A hook that refers to its own tensor is never freed, nor are the activations.
        values = received.detach()
        samples = _samples(module, values)
        if samples is not None:
            moment = samples.T @ samples
            self._moments[module] = self._moments.get(module, torch.zeros_like(moment)) + moment

        def add(gradient: Tensor) -> None:
            products = (values * gradient).float()
            # Of linear layers the channels come last.
            summed = products.flatten(2).sum(2) if products.ndim == 4 else products.flatten(0, -2)
            score = summed.square().sum(0)
            self.scores[module] = self.scores.get(module, torch.zeros_like(score)) + score

        received.register_hook(add)  # type: ignore[no-untyped-call]

    def replace(self, module: nn.Module, removed: Sequence[int]) -> None:
        """Let the other channels stand in for those that a layer will no longer read.

        Its weights become those of the least squared error of its outputs on what was recorded (He
        et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks").

        Args:
            module: The layer, before its channels are removed.
            removed: Their indices.
        """
        if module not in self.scores:
            return
        gone = torch.zeros(len(self.scores[module]), dtype=torch.bool)
        gone[list(removed)] = True
        self.scores[module] = self.scores[module][~gone]
        if module not in self._moments:
            return
        moments, weight = self._moments[module], module.weight
        assert isinstance(weight, Tensor)
        # Each channel has a column for each position of the kernel.
        columns = gone.repeat_interleave(weight[0].numel() // len(gone))
        kept = moments[~columns][:, ~columns]
        self._moments[module] = kept
        ridge = _RIDGE * kept.diagonal().mean().clamp(min=1e-12)
        solved = torch.linalg.solve(
            kept + ridge * torch.eye(len(kept), device=kept.device), moments[~columns][:, columns]
        )
        with torch.no_grad():
            rows = weight.flatten(1).clone()
            rows[:, ~columns] += rows[:, columns] @ solved.T.to(rows.dtype)
            weight.copy_(rows.view_as(weight))


def reads_channels(module: nn.Module) -> bool:
    """Whether a layer computes channels from others, unlike norms and depthwise convolutions."""
    depthwise = isinstance(module, nn.Conv2d) and module.groups == module.out_channels > 1
    return isinstance(module, nn.Conv2d | nn.Linear) and not depthwise


def _samples(module: nn.Module, received: Tensor) -> Tensor | None:
    """Random ones of the vectors that a layer multiplies by its weights; None for too long ones."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    if weight[0].numel() > _LARGEST or (isinstance(module, nn.Conv2d) and module.groups > 1):
        return None
    values = received.float()
    if isinstance(module, nn.Conv2d):
        if module.kernel_size != (1, 1):
            padding = (0, 0) if isinstance(module.padding, str) else module.padding
            # Padding to the "same" size is not among the layer's arguments.
            values = F.pad(values, [padding[1], padding[1], padding[0], padding[0]])
            sizes = zip(values.shape[2:], module.kernel_size, module.dilation, strict=True)
            if any(size <= dilation * (kernel - 1) for size, kernel, dilation in sizes):
                return None
            kernel, dilation, stride = module.kernel_size, module.dilation, module.stride
            values = F.unfold(values, kernel, dilation, stride=stride)
        values = values.flatten(2).transpose(1, 2)
    rows = values.reshape(-1, weight[0].numel())
    return rows[torch.randperm(len(rows), device=rows.device)[:_POSITIONS]]
