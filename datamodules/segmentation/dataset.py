"""The data set of images with masks: augmented for training, with ground truth for evaluation."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.datamodules.segmentation.augment import MaskTransform
from visus.datamodules.segmentation.class_table import ClassTable
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.datamodules.segmentation.mask_polygons import draw_objects
from visus.vision.images import Pixels, read_image, read_mask
from visus.vision.resize import resize_to_input, to_channels

Masked = tuple[Pixels, NDArray[np.uint8]]
"""An image, uint8 RGB, and the class ids of its pixels, `IGNORE` for unlabelled ones."""


class SegmentationDataset(SourceDataset[Masked, MaskTransform]):
    """Images and masks, read on access."""

    def __getitem__(self, index: int) -> Batch:
        """A sample: `image`, `source`, and `mask` if augmented, otherwise `geometry`, `truth`."""
        image, mask = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(image, self.size, self.mode)
            item["truth"] = mask
        else:
            image, mask = self.transform(image, mask)
            item["mask"] = torch.from_numpy(mask)
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        return item


def read_masked(sample: MaskedImage, classes: ClassTable, least_side: int | None = None) -> Masked:
    """Read an image and its mask.

    Args:
        sample: A checked sample.
        classes: The meaning of the values in masks.
        least_side: See `visus.vision.images.read_image`; the mask is scaled as the image is.
    """
    image = read_image(sample.image_source, sample.upright, least_side)
    if isinstance(sample.mask, tuple):
        ids = {name: i for i, name in enumerate(classes.names)}
        mask = draw_objects(sample.mask, sample.size, ids)
    else:
        mask = read_mask(sample.stored_mask or sample.mask, classes.by_colour)
    if mask.shape[:2] != image.shape[:2]:
        size = image.shape[1::-1]
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return image, mask if isinstance(sample.mask, tuple) else classes.to_ids(mask)
