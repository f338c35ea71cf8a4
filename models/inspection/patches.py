"""The patches of many images that excite the channels of a layer most."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from visus.models.backbones.summary import Layer
from visus.models.inspection.features import strongest_channels
from visus.models.inspection.recording import record
from visus.models.inspection.subject import Subject

_CHANNELS = 8
_LEAST_SIDE = 24
"""Pixels; patches of layers with a smaller receptive field show their surroundings too."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of an image.

    Attributes:
        source: Name of the image.
        value: The channel's value there.
        pixels: uint8 (height, width, channels): the receptive field inside the image, or more.
    """

    source: str
    value: float
    pixels: NDArray[np.uint8]


def strongest_patches(
    subject: Subject, layer: Layer, images: Iterable[tuple[str, NDArray[np.uint8]]], count: int
) -> dict[int, list[Patch]]:
    """The patches of the largest value of each channel, at most one of an image.

    Args:
        subject: The network; its image determines which channels are shown, the strongest eight.
        layer: Of `Subject.spatial_layers`.
        images: Names, and inputs of the network, uint8 (1, channels, height, width).
        count: Patches for each channel.

    Returns:
        By channel, the largest value first.
    """
    own = record(subject, [layer.name], subject.image)[layer.name].output[0]
    channels = strongest_channels(own, _CHANNELS)
    best: dict[int, list[tuple[float, int, Patch]]] = {channel: [] for channel in channels}
    for number, (source, batch) in enumerate(images):
        maps = record(subject, [layer.name], torch.from_numpy(batch))[layer.name].output[0]
        for channel in channels:
            place = int(maps[channel].argmax())
            value = float(maps[channel].flatten()[place])
            if len(best[channel]) == count and value <= best[channel][0][0]:
                continue
            row, column = divmod(place, maps.shape[2])
            patch = Patch(source, value, _crop(batch[0], layer, row, column))
            push = heapq.heappush if len(best[channel]) < count else heapq.heapreplace
            push(best[channel], (value, number, patch))
    return {channel: _sorted(found) for channel, found in best.items()}


def patch_layer(layers: Sequence[Layer], height: int) -> Layer:
    """The deepest layer whose receptive field is at most half of the image's height.

    Args:
        layers: In the order of the computation; the first one if none is that small.
        height: Of the image, in pixels.
    """
    small = [each for each in layers if each.receptive_field and each.receptive_field <= height / 2]
    return small[-1] if small else layers[0]


def _sorted(found: list[tuple[float, int, Patch]]) -> list[Patch]:
    return [patch for _, _, patch in sorted(found, key=lambda each: each[:2], reverse=True)]


def _crop(image: NDArray[np.uint8], layer: Layer, row: int, column: int) -> NDArray[np.uint8]:
    spans = []
    for axis, place in enumerate((row, column)):
        length = image.shape[1 + axis]
        if layer.field is None:
            spans.append(slice(0, length))
            continue
        field = layer.field
        size, jump, start = field.size[axis], field.jump[axis], field.start[axis]
        centre = start + place * jump + size / 2
        side = min(max(size, _LEAST_SIDE), length)
        first = min(max(0, round(centre - side / 2)), length - side)
        spans.append(slice(first, first + side))
    return np.ascontiguousarray(image[:, spans[0], spans[1]].transpose(1, 2, 0))
