"""Layers that combine the features of a frame with those of earlier frames."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class Memory:
    """What the temporal layers of a network keep between two runs.

    Temporal layers lie inside backbones, whose `forward` passes only the features of single frames:
    this object, which all layers of a network share, gives them the number of frames and the state.

    Attributes:
        frames: Number of frames of each clip in the current run.
        before: The state of each layer before the run, in the order of execution; empty for clips
            that begin with this run.
        after: The state of each layer after the run.
    """

    frames: int = 1
    before: tuple[Tensor, ...] = ()
    after: list[Tensor] = field(default_factory=list)

    def begin(self, frames: int, before: tuple[Tensor, ...]) -> None:
        """Prepare for a run of the network."""
        self.frames = frames
        self.before = before
        self.after = []

    def extend(self, features: Tensor, depth: int) -> Tensor:
        """The features of a layer in each clip, with those of earlier frames before them.

        Args:
            features: Shape (batch * frames, channels, height, width).
            depth: Number of earlier frames; they are zero before the beginning of a clip.

        Returns:
            Shape (batch, depth + frames, channels, height, width).
        """
        clips = features.reshape(-1, self.frames, *features.shape[1:])
        if self.before:
            past = self.before[len(self.after)]
        else:
            past = clips.new_zeros(clips.shape[0], depth, *clips.shape[2:])
        extended = torch.cat([past.to(clips.dtype), clips], 1)
        self.after.append(extended[:, -depth:])
        return extended


class TemporalLayer(nn.Module, ABC):
    """Combines the input of another layer with that of earlier frames.

    Args:
        layer: The layer; it receives the combined features.
        memory: Of the network.
    """

    def __init__(self, layer: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.layer = layer
        self.memory = memory

    @abstractmethod
    def combine(self, features: Tensor) -> Tensor:
        """Features of the same shape, (batch * frames, channels, height, width)."""

    def forward(self, features: Tensor) -> Tensor:
        """The output of the layer for the combined features."""
        output: Tensor = self.layer(self.combine(features))
        return output


class TemporalShift(TemporalLayer):
    """Replaces an eighth of the channels by those of the previous frame.

    The online form, which sees no later frames, of Lin et al. 2019, "TSM: Temporal Shift Module for
    Efficient Video Understanding", arXiv:1811.08383.
    """

    def combine(self, features: Tensor) -> Tensor:
        """See `TemporalLayer.combine`."""
        shifted = max(1, features.shape[1] // 8)
        previous = self.memory.extend(features[:, :shifted], 1)[:, :-1].flatten(0, 1)
        return torch.cat([previous, features[:, shifted:]], 1)


class TemporalConvolution(TemporalLayer):
    """Adds a causal convolution over this frame and the two before it.

    The temporal half of R(2+1)D: Tran et al. 2018, "A Closer Look at Spatiotemporal Convolutions
    for Action Recognition", arXiv:1711.11248. It is zero at first, which preserves the features of
    a pretrained backbone.

    Args:
        layer: The layer; it receives the combined features.
        memory: Of the network.
        channels: Of the features.
    """

    def __init__(self, layer: nn.Module, memory: Memory, channels: int) -> None:
        super().__init__(layer, memory)
        self.norm = nn.BatchNorm2d(channels)
        # A convolution over three frames is one of 1 x 1 over their channels side by side.
        self.convolution = nn.Conv2d(3 * channels, channels, 1, bias=False)
        nn.init.zeros_(self.convolution.weight)

    def combine(self, features: Tensor) -> Tensor:
        """See `TemporalLayer.combine`."""
        frames = self.memory.frames
        extended = self.memory.extend(torch.relu(self.norm(features)), 2)
        taps = [extended[:, i : i + frames] for i in range(3)]
        residual: Tensor = self.convolution(torch.cat(taps, 2).flatten(0, 1))
        return features + residual
