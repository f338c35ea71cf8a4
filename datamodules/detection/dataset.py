"""Samples for training and evaluation from labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visus.datamodules.core.labels import LabelledImage, LabelledObject
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.datamodules.core.outlines import object_mask
from visus.datamodules.detection.augment import BoxTransform, TrainingSample
from visus.vision.images import read_image
from visus.vision.masks import encode_mask
from visus.vision.resize import resize_to_input, to_channels
from visus.vision.truth import DetectionTruth


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionSample(TrainingSample):
    """An image with all its objects, in pixels of the original image.

    Attributes:
        ignored: bool (N,): objects that are not trained on, and ignored in evaluation.
        areas: float32 (N,): area of each object in pixels, which determines its size class.
    """

    ignored: NDArray[np.bool_]
    areas: NDArray[np.float32]


class DetectionDataset(SourceDataset[DetectionSample, BoxTransform]):
    """Images with labelled objects."""

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`, and `target` for training, else `geometry`, `truth`."""
        sample = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(sample.image, self.size, self.mode)
            item["truth"] = _truth(sample)
        else:
            augmented = self.transform(_without_ignored(sample), self._other_sample)
            image, item["target"] = augmented.image, _target(augmented)
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        return item

    def _other_sample(self, number: int) -> TrainingSample:
        """The sample of a random number, for mosaics."""
        return _without_ignored(self.read(self.sources[number % len(self)]))


def _without_ignored(sample: DetectionSample) -> TrainingSample:
    keep = ~sample.ignored
    masks = None if sample.masks is None else sample.masks[keep]
    return TrainingSample(sample.image, sample.boxes[keep], sample.labels[keep], masks)


def _target(sample: TrainingSample) -> dict[str, Tensor]:
    """The training target; see `visus.tasks.detection.networks.outputs.Targets`."""
    target = {"boxes": torch.from_numpy(sample.boxes), "labels": torch.from_numpy(sample.labels)}
    if sample.masks is not None:
        target["masks"] = torch.from_numpy(sample.masks)
    return target


def _truth(sample: DetectionSample) -> DetectionTruth:
    masks = None
    if sample.masks is not None:
        masks = tuple(encode_mask(mask.astype(bool)) for mask in sample.masks)
    return DetectionTruth(sample.boxes, sample.labels, sample.ignored, sample.areas, masks)


def object_boxes(objects: Sequence[LabelledObject]) -> NDArray[np.float32]:
    """The boxes of objects, float32 (N, 4)."""
    return np.array([item.box for item in objects], np.float32).reshape(-1, 4)


def read_sample(
    record: LabelledImage, class_ids: dict[str, int], masks: bool, least_side: int | None = None
) -> DetectionSample:
    """Read an image of a data set with its objects.

    Args:
        record: The checked image.
        class_ids: The id of each class name.
        masks: Whether to rasterise the masks of the objects.
        least_side: See `visus.vision.images.read_image`; boxes are scaled as the image is. None
            with masks.
    """
    objects = record.objects
    image = read_image(record.image_source, record.upright, least_side)
    scale = np.array(image.shape[1::-1]) / record.size[::-1]
    boxes = object_boxes(objects) * np.tile(scale, 2).astype(np.float32)
    box_areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).tolist()
    areas = [
        box_area if item.area is None else item.area * scale.prod()
        for item, box_area in zip(objects, box_areas, strict=True)
    ]
    pixels = None
    if masks:
        pixels = np.array([object_mask(item, record.size) for item in objects], np.uint8)
        pixels = pixels.reshape(-1, *record.size)
    return DetectionSample(
        image=image,
        boxes=boxes,
        labels=np.array([class_ids[item.label] for item in objects], np.int64),
        masks=pixels,
        ignored=np.array([item.ignored for item in objects], bool),
        areas=np.array(areas, np.float32),
    )
