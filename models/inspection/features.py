"""The strongest channels of feature maps, and crops of them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def strongest_channels(maps: Tensor, count: int) -> list[int]:
    """Channels whose values vary most over the image, the most varied first.

    Args:
        maps: Shape (channels, height, width).
        count: At most this many.
    """
    spread = maps.flatten(1).float().std(1, correction=0)
    return [int(i) for i in spread.argsort(descending=True)[:count]]


def to_levels(maps: Tensor) -> NDArray[np.uint8]:
    """Feature maps as uint8, each stretched from its smallest to its largest value.

    Args:
        maps: Shape (channels, height, width).
    """
    values = maps.float()
    low = values.amin((1, 2), keepdim=True)
    spread = (values.amax((1, 2), keepdim=True) - low).clamp(min=1e-12)
    levels = ((values - low) / spread * 255).round().to(torch.uint8)
    return np.asarray(levels.cpu().numpy(), np.uint8)


def varied_window(maps: Tensor, rows: int, columns: int) -> tuple[int, int]:
    """(top, left) of the window of this size in which a map's values vary most.

    Args:
        maps: Shape (channels, height, width).
        rows: Height of the window, at most that of the maps.
        columns: Width of the window, at most that of the maps.
    """
    values = maps.double()
    mean = torch.nn.functional.avg_pool2d(values[None], (rows, columns), 1)
    squares = torch.nn.functional.avg_pool2d(values[None] ** 2, (rows, columns), 1)
    spread = (squares - mean**2)[0].sum(0)
    place = int(spread.argmax())
    return place // spread.shape[1], place % spread.shape[1]
