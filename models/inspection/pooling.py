"""The crop of a feature map that a pooling layer is shown on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from visus.models.inspection.features import strongest_channels, varied_window
from visus.models.inspection.recording import record
from visus.models.inspection.subject import Subject

_SIDE = 12


@dataclass(frozen=True, eq=False)
class PoolingCrop:
    """A crop of one channel of a feature map.

    Attributes:
        layer: Name of the network's first pooling layer; None if it has none, in which case the
            crop is from the output of its first convolution.
        kind: Name of its class; None if it has none.
        kernel: Side of its window; 2 if it has none.
        stride: Its stride; 2 if it has none.
        channel: Number of the channel.
        values: float32 (rows, columns), at most 12 x 12.
    """

    layer: str | None
    kind: str | None
    kernel: int
    stride: int
    channel: int
    values: NDArray[np.float32]


def pooling_crop(subject: Subject) -> PoolingCrop | None:
    """The crop for the first pooling layer; None for a network without feature maps."""
    layer, kernel, stride = None, 2, 2
    for each in subject.spatial_layers:
        module = subject.module(each)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and each.kernel and each.stride:
            layer, kernel, stride = each, each.kernel[0], each.stride[0]
            break
    if layer is None and not subject.convolutions:
        return None
    source = layer or subject.convolutions[0]
    recorded = record(subject, [source.name], subject.image)[source.name]
    maps = (recorded.output if layer is None else recorded.input)[0]
    channel = strongest_channels(maps, 1)[0]
    rows, columns = min(_SIDE, maps.shape[1]), min(_SIDE, maps.shape[2])
    top, left = varied_window(maps[channel : channel + 1], rows, columns)
    crop = maps[channel, top : top + rows, left : left + columns]
    return PoolingCrop(
        layer=None if layer is None else layer.name,
        kind=None if layer is None else layer.kind,
        kernel=min(kernel, rows, columns),
        stride=stride,
        channel=channel,
        values=np.ascontiguousarray(crop.float().cpu().numpy(), np.float32),
    )
