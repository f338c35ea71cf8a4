"""Pictures with masks as samples: what training learns from, and what evaluation compares with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from datamodules.augment_masks import MaskTransform
from datamodules.class_table import ClassTable
from datamodules.loading import Batch, to_tensor
from datamodules.mask_pairs import MaskedPicture
from datamodules.mask_polygons import draw_objects
from vision.fit import FitMode, fit, to_channels
from vision.images import Pixels, read_image, read_mask

Masked = tuple[Pixels, NDArray[np.uint8]]
"""A picture, uint8 RGB, and the class ids of its pixels, `IGNORE` where there is none."""


class SegmentationDataset(Dataset[Batch]):
    """Pictures and masks that are read when they are asked for.

    Args:
        sources: What each picture is read from; named in reports.
        read: From a source to a picture and its mask; a function that can be pickled.
        size: (height, width) to bring pictures to.
        mode: How.
        in_channels: Channels to give them.
        transform: Random changes for training.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        read: Callable[[Any], Masked],
        size: tuple[int, int],
        mode: FitMode,
        in_channels: int,
        transform: MaskTransform | None = None,
    ) -> None:
        self.sources = sources
        self.read = read
        self.size = size
        self.mode = mode
        self.in_channels = in_channels
        self.transform = transform

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.sources)

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`, and `mask` in training, `fit` and `truth` otherwise."""
        image, mask = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["fit"] = fit(image, self.size, self.mode)
            item["truth"] = mask
        else:
            image, mask = self.transform(image, mask)
            item["mask"] = torch.from_numpy(mask)
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        return item

    def name(self, index: int) -> str:
        """What a picture is called in reports: its file, or its seed."""
        source = self.sources[index]
        return str(source.path if isinstance(source, MaskedPicture) else source)


def read_masked(picture: MaskedPicture, classes: ClassTable) -> Masked:
    """A picture of a data set with its mask.

    Args:
        picture: Checked.
        classes: What the values of masks mean.
    """
    image = read_image(picture.path, picture.upright)
    if isinstance(picture.mask, Path):
        return image, classes.to_ids(read_mask(picture.mask, classes.by_colour))
    ids = {name: i for i, name in enumerate(classes.names)}
    return image, draw_objects(picture.mask, picture.size, ids)
