"""Data modules for detection: their base class, and the user's own labelled images."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.detection_files import (
    DetectionListing,
    Exif,
    Format,
    check_labels,
    read_labels,
)
from visus.datamodules.core.file_data import ImageFileData
from visus.datamodules.core.images import (
    largest_scale,
    reading_side,
    reduction,
    spread,
    typical_size,
)
from visus.datamodules.core.labels import LabelledImage, Labels
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.datamodules.detection import shards
from visus.datamodules.detection.anchors import AnchorShapes, fit_anchors
from visus.datamodules.detection.augment import BoxAugmentation, BoxTransform
from visus.datamodules.detection.dataset import DetectionDataset, object_boxes, read_sample
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

_LONGEST_SIDE = 512
_LONGEST_SIDE_OF_SMALL_OBJECTS = 1024
_SMALL = 16.0
"""Objects whose median side would be smaller than so many pixels have larger inputs."""

_CROP_ZOOM = 2.0
"""Training crops of half of an image's sides show all details that the input has room for."""

_SMALLEST = 12.0
"""Pixels below which the median side of objects must not be reduced further."""


class DetectionData(VisionDataModule[BoxAugmentation]):
    """Base class of the data modules for detection.

    Attributes:
        anchors: Anchors fitted to the boxes, see `visus.datamodules.detection.anchors`; None for
            the default anchors.
        masks: Whether samples have instance masks.
    """

    anchors: AnchorShapes | None = None
    masks: bool = False
    weaker: ClassVar[Mapping[str, str]] = {"boxes": "weak", "mosaic": "weak"}


class ImageDetectionData(ImageFileData[DetectionListing, LabelledImage], DetectionData):
    """The user's own images with labels in COCO JSON, Pascal VOC XML or YOLO text files.

    A subclass that overrides `read_labels` reads another format; the checks of every image and
    box, the detection of duplicates, `skip_bad`, the splits and `visus data check` stay the same.

    Args:
        root: See `visus.datamodules.core.detection_files.read_labels`; or the folder or address of
            shards that `visus data convert` wrote.
        format: `coco`, `voc` or `yolo`; recognised by default.
        exif: Which image the labels refer to where it has an EXIF orientation: `apply`, the
            upright one; `ignore`, the one as stored; `auto`, determined from the stated size.
        image_size: (height, width) in pixels; by default derived from the images, with at most 512
            pixels for the longer side, or up to 1024 where most objects are small; long images
            keep as many pixels as those of 4:3.
        resize_mode: How images are resized to that size.
        anchors: `auto` fits the anchors of Faster R-CNN to the boxes.
        masks: Whether to provide instance masks as well, from polygons or run lengths.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        batch_size: Images per batch and process.
        augment: Augmentation of the training images.
        kwargs: See `visus.datamodules.core.file_data.ImageFileData`.
    """

    def __init__(
        self,
        root: str,
        format: Format | None = None,
        exif: Exif = "auto",
        image_size: tuple[int, int] | None = None,
        resize_mode: ResizeMode = "letterbox",
        anchors: Literal["default", "auto"] = "default",
        masks: bool = False,
        allow_outside: bool = False,
        batch_size: int = 4,
        augment: BoxAugmentation = "boxes",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, augment=augment, **kwargs)
        check_data_ranges(image_size=image_size)
        if masks and augment == "mosaic":
            raise VisusError(
                "data.augment mosaic does not support masks; use boxes with data.masks true"
            )
        self.location = root
        self.root = Path(root)
        self.format = format
        self.exif = exif
        self.given_size = image_size
        self.resize_mode = resize_mode
        self.given_anchors = anchors
        self.masks = masks
        self.allow_outside = allow_outside

    def read_labels(self) -> Labels:
        """Read the labels, without opening an image; a subclass reads another format here."""
        return read_labels(self.root, self.format, self.allow_outside)

    def read_listing(self) -> DetectionListing:
        """See `FileData.read_listing`."""
        if is_shards(self.location):
            return shards.read_listing(self.location, self.given_names)
        labels, channels = self.read_labels(), self.in_channels
        return check_labels(labels, self.root, self.given_names, self.exif, channels)

    def check_listing(self, listing: DetectionListing) -> None:
        """See `FileData.check_listing`; objects need masks where these are wanted."""
        if self.masks:
            self._refuse_bare_boxes(listing.samples)

    def stratum(self, sample: LabelledImage) -> tuple[str, ...]:
        """See `FileData.stratum`: the classes of the objects."""
        return _classes(sample)

    def _refuse_bare_boxes(self, images: Sequence[LabelledImage]) -> None:
        objects = [item for image in images for item in image.objects if not item.ignored]
        bare = [item for item in objects if not item.has_mask]
        if bare:
            raise VisusError(
                f"data.masks true: {len(bare)} of {len(objects)} objects have no polygon or run "
                f"lengths, the first is {bare[0].place}; add them, or set data.masks to false"
            )

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The classes of a checkpoint, or those of the data set."""
        return self.listing.class_names

    @cached_property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The given size, or the median of the images' sizes, scaled down to multiples of 32."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        sizes = [image.size for image in spread(self.listing.samples)]
        objects = self._object_side(lambda size: reduction(size, _LONGEST_SIDE))
        enlarged = _LONGEST_SIDE * _SMALL / max(1.0, objects)
        side = min(max(_LONGEST_SIDE, int(enlarged)), _LONGEST_SIDE_OF_SMALL_OBJECTS)
        return typical_size(sizes, side)

    @property
    def least_scale(self) -> float:  # type: ignore[override]
        """See `VisionDataModule`."""
        longest = max(self.image_size)
        objects = self._object_side(lambda size: min(1.0, longest / max(size)))
        return min(1.0, _SMALLEST / max(1.0, objects))

    @property
    def largest_scale(self) -> float:  # type: ignore[override]
        """See `VisionDataModule`."""
        return largest_scale([each.size for each in spread(self.listing.samples)], self.image_size)

    def _object_side(self, scale: Callable[[tuple[int, int]], float]) -> float:
        """Median side in pixels of objects in images that are scaled by a factor of their size."""
        sides = [
            scale(image.size) * math.sqrt(width * height)
            for image in spread(self.listing.samples)
            for width, height in _box_sizes(image)
        ]
        return statistics.median(sides) if sides else math.inf

    @property
    def anchors(self) -> AnchorShapes | None:  # type: ignore[override]
        """Anchors fitted to the boxes of the training images; None for the default anchors."""
        if self.given_anchors == "default":
            return None
        shapes = []
        for image in self.splits["train"]:
            boxes = object_boxes(image.objects)
            blank = np.zeros((*image.size, 1), np.uint8)
            geometry = resize_to_input(blank, self.image_size, self.resize_mode)[1]
            corners = geometry.points_from_source(boxes.reshape(-1, 2, 2))
            shapes.append(corners[:, 1] - corners[:, 0])
        return fit_anchors(np.concatenate(shapes))

    def shard_source(self) -> ShardSource[LabelledImage]:
        """See `VisionDataModule.shard_source`."""
        content = shards.content(self.listing)
        return ShardSource(
            "detection", self.root, self.splits, self.held_out, content, shards.codec()
        )

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        class_ids = {name: i for i, name in enumerate(self.class_names)}
        read = partial(read_sample, class_ids=class_ids, masks=self.masks)
        transform = None
        if split == "train":
            if not self.masks:
                read = partial(read, least_side=reading_side(self.image_size, _CROP_ZOOM))
            transform = BoxTransform(self.augment, self.image_size, self.resize_mode, self.mirrors)
        images = self.splits[split]
        return DetectionDataset(
            images, read, self.image_size, self.resize_mode, self.in_channels, transform
        )


def _box_sizes(image: LabelledImage) -> list[tuple[float, float]]:
    """(width, height) in pixels of the objects that are learnt."""
    boxes = (item.box for item in image.objects if not item.ignored)
    return [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]


def _classes(image: LabelledImage) -> tuple[str, ...]:
    """The classes of the objects in an image."""
    return tuple(sorted({item.label for item in image.objects}))
