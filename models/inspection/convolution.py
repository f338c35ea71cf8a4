"""The arithmetic of a convolution on a crop of its input."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from visus.models.backbones.summary import leading_padding
from visus.models.inspection.features import strongest_channels, varied_window
from visus.models.inspection.recording import LayerValues

_CHANNELS = 8
_POSITIONS = 12
_MAX_NUMBERS = 60_000
"""Of the input; wide layers are shown at fewer positions."""


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """All numbers that a convolution computes a crop of some of its output channels from.

    The value of output channel k at (row, column) is the bias plus the sum over the channels c,
    rows i and columns j of its kernel of `weights[k, c, i, j]` times
    `inputs[first[k] + c, row * stride + i * dilation, column * stride + j * dilation]`.

    Attributes:
        channels: Numbers of the output channels.
        inputs: float32 (input channels, rows, columns): the crop with its padding of zeros.
        input_channels: Numbers of the input channels.
        first: For each output channel the index in `inputs` of its first input channel.
        weights: float32 (channels, channels of a group, kernel rows, kernel columns).
        bias: float32 (channels,).
        outputs: float32 (channels, rows, columns), as the network computed them.
        top: Row of the first output shown in the whole output.
        left: Column of the first output shown in the whole output.
        padding: Rows and columns of padding before the input's first value.
        stride: (vertical, horizontal).
        dilation: (vertical, horizontal).
        size: (height, width) of the whole input.
    """

    channels: tuple[int, ...]
    inputs: NDArray[np.float32]
    input_channels: tuple[int, ...]
    first: tuple[int, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    outputs: NDArray[np.float32]
    top: int
    left: int
    padding: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]

    def arithmetic(self, channel: int, row: int, column: int) -> NDArray[np.float64]:
        """The products of one output value, without the bias.

        Args:
            channel: Index into `channels`.
            row: Row in the crop.
            column: Column in the crop.

        Returns:
            Shape (channels of a group, kernel rows, kernel columns).
        """
        weights = self.weights[channel].astype(np.float64)
        depth, height, width = weights.shape
        first = self.first[channel]
        rows = row * self.stride[0] + np.arange(height) * self.dilation[0]
        columns = column * self.stride[1] + np.arange(width) * self.dilation[1]
        window = self.inputs[first : first + depth][:, rows][:, :, columns]
        return np.asarray(weights * window)


def step_through(module: nn.Conv2d, values: LayerValues) -> ConvolutionStep | None:
    """The crop of a convolution in which its strongest output channels vary most.

    Args:
        module: The convolution.
        values: What it received and returned, for one image.

    Returns:
        None if the module computes with other weights than it stores, as those of
        weight-standardised networks do.
    """
    received, made = values.input[0].float(), values.output[0].float()
    strongest = strongest_channels(made, _CHANNELS)
    depth = module.weight.shape[1]
    per_group = module.out_channels // module.groups
    groups = sorted({channel // per_group for channel in strongest})
    picked = [group * depth + c for group in groups for c in range(depth)]
    area = max(1, _MAX_NUMBERS // len(picked))
    (kernel_y, kernel_x), (down, across) = module.weight.shape[2:], module.stride
    side = _POSITIONS
    while side > 1 and (side * down + kernel_y) * (side * across + kernel_x) > area:
        side -= 1
    rows, columns = min(side, made.shape[1]), min(side, made.shape[2])
    top, left = varied_window(made[strongest[:1]], rows, columns)
    padding = leading_padding(module, values.input, values.output)
    dilation = (int(module.dilation[0]), int(module.dilation[1]))
    padded = _padded(module, received[picked], padding, made)
    height = (rows - 1) * down + dilation[0] * (kernel_y - 1) + 1
    width = (columns - 1) * across + dilation[1] * (kernel_x - 1) + 1
    y, x = top * down, left * across
    inputs = padded[:, y : y + height, x : x + width]
    bias = torch.zeros(len(strongest)) if module.bias is None else module.bias[strongest]
    step = ConvolutionStep(
        channels=tuple(strongest),
        inputs=_array(inputs),
        input_channels=tuple(picked),
        first=tuple(groups.index(channel // per_group) * depth for channel in strongest),
        weights=_array(module.weight[strongest]),
        bias=_array(bias),
        outputs=_array(made[strongest, top : top + rows, left : left + columns]),
        top=top,
        left=left,
        padding=padding,
        stride=(int(down), int(across)),
        dilation=dilation,
        size=(received.shape[1], received.shape[2]),
    )
    return step if _agrees(step) else None


def _padded(module: nn.Conv2d, received: Tensor, padding: tuple[int, int], made: Tensor) -> Tensor:
    """The input with its padding on all sides."""
    ends = []
    for axis in range(2):
        kernel, dilation = module.kernel_size[axis], module.dilation[axis]
        covered = (made.shape[1 + axis] - 1) * module.stride[axis] + dilation * (kernel - 1) + 1
        ends.append(max(0, covered - received.shape[1 + axis] - padding[axis]))
    sides = (padding[1], ends[1], padding[0], ends[0])
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return F.pad(received[None], sides, mode)[0]


def _agrees(step: ConvolutionStep) -> bool:
    """Whether the arithmetic gives what the network computed, at the corners of the crop."""
    rows, columns = step.outputs.shape[1:]
    scale = max(1.0, float(np.abs(step.outputs).max()))
    for i in range(len(step.channels)):
        for row, column in ((0, 0), (rows - 1, columns - 1)):
            total = float(step.arithmetic(i, row, column).sum()) + float(step.bias[i])
            if abs(total - float(step.outputs[i, row, column])) > 1e-3 * scale:
                return False
    return True


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy(), np.float32)
