"""Data modules for detection: their base class, and the user's own labelled images."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.detection_files import (
    DetectionListing,
    Exif,
    Format,
    check_labels,
    read_labels,
)
from visus.datamodules.core.groups import group_images
from visus.datamodules.core.images import (
    largest_scale,
    reading_side,
    reduction,
    spread,
    typical_size,
)
from visus.datamodules.core.labels import LabelledImage, Labels
from visus.datamodules.core.loading import Batch, default_workers
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.datamodules.core.splits import split_samples
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


class ImageDetectionData(DetectionData):
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
            pixels for the longer side, or up to 1024 where most objects are small.
        resize_mode: How images are resized to that size.
        val_share: Fraction held out for validation if the data set has no such split.
        fold: Index of the hold-out, from 0, for cross-validation.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; one for each core but the first by default.
        augment: Augmentation of the training images.
        flip: Whether augmentation mirrors images; by default unless classes are named after a
            side or a sense of rotation, such as `left arrow`, or are the letters of the alphabet.
        anchors: `auto` fits the anchors of Faster R-CNN to the boxes.
        masks: Whether to provide instance masks as well, from polygons or run lengths.
        skip_bad: Leave bad objects and images out, instead of raising an error.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        class_names: The classes of a checkpoint, in order; by default those of the data set.
        in_channels: 3 for RGB, 1 for grey.
        evaluate_all: Validate and test on all images if the data set has no splits; the command
            line sets it for data other than those that a checkpoint was trained on.
        group_similar: Whether images that look alike, as frames of one video do, are held out
            together.
    """

    def __init__(
        self,
        root: str,
        format: Format | None = None,
        exif: Exif = "auto",
        image_size: tuple[int, int] | None = None,
        resize_mode: ResizeMode = "letterbox",
        val_share: float = 0.2,
        fold: int = 0,
        batch_size: int = 4,
        num_workers: int | None = None,
        augment: BoxAugmentation = "boxes",
        anchors: Literal["default", "auto"] = "default",
        masks: bool = False,
        skip_bad: bool = False,
        allow_outside: bool = False,
        class_names: list[str] | None = None,
        in_channels: int = 3,
        evaluate_all: bool = False,
        group_similar: bool = False,
        flip: bool | None = None,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        check_data_ranges(
            image_size=image_size, val_share=val_share, fold=fold, in_channels=in_channels
        )
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
        self.val_share = val_share
        self.fold = fold
        self.given_anchors = anchors
        self.masks = masks
        self.skip_bad = skip_bad
        self.allow_outside = allow_outside
        self.given_names = class_names
        self.in_channels = in_channels
        self.evaluate_all = evaluate_all
        self.group_similar = group_similar
        self.flip = flip

    def read_labels(self) -> Labels:
        """Read the labels, without opening an image; a subclass reads another format here."""
        return read_labels(self.root, self.format, self.allow_outside)

    def read_listing(self) -> DetectionListing:
        """Read the labels and check every image; returns problems instead of raising them."""
        if is_shards(self.location):
            return shards.read_listing(self.location, self.given_names)
        return check_labels(self.read_labels(), self.root, self.given_names, self.exif)

    @cached_property
    def listing(self) -> DetectionListing:
        """The checked images; problems are printed or raised."""
        listing = self.read_listing()
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        if self.masks:
            self._refuse_bare_boxes(listing.images)
        return listing

    def _refuse_bare_boxes(self, images: Sequence[LabelledImage]) -> None:
        objects = [item for image in images for item in image.objects if not item.ignored]
        bare = [item for item in objects if not item.has_mask]
        if bare:
            raise VisusError(
                f"data.masks true: {len(bare)} of {len(objects)} objects have no polygon or run "
                f"lengths, the first is {bare[0].place}; add them, or set data.masks to false"
            )

    @cached_property
    def splits(self) -> Mapping[str, Sequence[LabelledImage]]:
        """The images of each split."""
        return split_samples(
            self.listing.images,
            _classes,
            self.val_share,
            self.fold,
            self.evaluate_all,
            partial(group_images, similar=self.group_similar),
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
        sizes = [image.size for image in spread(self.listing.images)]
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
        return largest_scale([each.size for each in spread(self.listing.images)], self.image_size)

    def _object_side(self, scale: Callable[[tuple[int, int]], float]) -> float:
        """Median side in pixels of objects in images that are scaled by a factor of their size."""
        sides = [
            scale(image.size) * math.sqrt(width * height)
            for image in spread(self.listing.images)
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
        stated = any(each.split == "val" for each in self.listing.images)
        held_out = None if stated else (self.val_share, self.fold)
        content = shards.content(self.listing)
        return ShardSource("detection", self.root, self.splits, held_out, content, shards.codec())

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        class_ids = {name: i for i, name in enumerate(self.class_names)}
        read = partial(read_sample, class_ids=class_ids, masks=self.masks)
        transform = None
        if split == "train":
            if not self.masks:
                read = partial(read, least_side=reading_side(self.image_size))
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
