"""Labelled images as samples: what training learns from, and what evaluation compares with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from visus.datamodules.core.labels import LabelledImage, LabelledObject
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.datamodules.detection.augment import BoxTransform, Labelled
from visus.datamodules.segmentation.mask_polygons import object_mask
from visus.vision.images import read_image
from visus.vision.masks import encode_mask
from visus.vision.resize import resize_to_input, to_channels
from visus.vision.truth import DetectionTruth


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled image in its own pixels, with what evaluation needs."""

    labelled: Labelled
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float32]


class DetectionDataset(SourceDataset[Sample, BoxTransform]):
    """Labelled images that are read when they are asked for."""

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`, and `target` in training, `fit` and `truth` otherwise."""
        source = self.sources[index]
        sample = self.read(source)
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(sample.labelled.image, self.size, self.mode)
            item["truth"] = _truth(sample)
        else:
            changed = self.transform(_learnt(sample), self._another)
            image, item["target"] = changed.image, _target(changed)
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        return item

    def _another(self, number: int) -> Labelled:
        """Any sample, for mosaics."""
        return _learnt(self.read(self.sources[number % len(self)]))


def _learnt(sample: Sample) -> Labelled:
    """Without what is ignored."""
    labelled, keep = sample.labelled, ~sample.ignored
    masks = None if labelled.masks is None else labelled.masks[keep]
    return Labelled(labelled.image, labelled.boxes[keep], labelled.labels[keep], masks)


def _target(labelled: Labelled) -> dict[str, torch.Tensor]:
    """What the detectors learn from; see `visus.tasks.detection.networks.outputs.Targets`."""
    target = {
        "boxes": torch.from_numpy(labelled.boxes),
        "labels": torch.from_numpy(labelled.labels),
    }
    if labelled.masks is not None:
        target["masks"] = torch.from_numpy(labelled.masks)
    return target


def _truth(sample: Sample) -> DetectionTruth:
    labelled = sample.labelled
    masks = None
    if labelled.masks is not None:
        masks = tuple(encode_mask(mask.astype(bool)) for mask in labelled.masks)
    return DetectionTruth(labelled.boxes, labelled.labels, sample.ignored, sample.areas, masks)


def object_boxes(objects: Sequence[LabelledObject]) -> NDArray[np.float32]:
    """The boxes of objects, float32 (N, 4)."""
    return np.array([item.box for item in objects], np.float32).reshape(-1, 4)


def read_sample(record: LabelledImage, class_ids: dict[str, int], masks: bool) -> Sample:
    """An image of a data set with its objects.

    Args:
        image: Checked.
        class_ids: The id of each class name.
        masks: Whether to draw the objects' pixels.
    """
    image = read_image(record.path, record.upright)
    objects = record.objects
    boxes = object_boxes(objects)
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    areas = [
        size if o.area is None else o.area for o, size in zip(objects, sizes.tolist(), strict=True)
    ]
    drawn = None
    if masks:
        height, width = record.size
        drawn = np.array([object_mask(item, record.size) for item in objects], np.uint8)
        drawn = drawn.reshape(-1, height, width)
    labels = np.array([class_ids[item.label] for item in objects], np.int64)
    ignored = np.array([item.ignored for item in objects], bool)
    labelled = Labelled(image, boxes, labels, drawn)
    return Sample(labelled, ignored, np.array(areas, np.float32))
