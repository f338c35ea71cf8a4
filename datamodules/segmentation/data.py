"""Data modules of images with masks: the base of all of them, and that of a user's own files."""

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.detection_files import Exif
from visus.datamodules.core.file_data import ImageFileData
from visus.datamodules.core.images import largest_scale, reading_side, spread, typical_size
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.datamodules.segmentation import shards
from visus.datamodules.segmentation.augment import MaskAugmentation, MaskTransform
from visus.datamodules.segmentation.dataset import SegmentationDataset, read_masked
from visus.datamodules.segmentation.files import SegmentationListing, read_segmentation
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.vision.colours import Colour
from visus.vision.masks import IGNORE

_LONGEST_SIDE = 512

WholeImageMode = Literal["letterbox", "stretch"]
"""The resize modes that show the whole image, so that every pixel is given a class."""


class SegmentationData(VisionDataModule[MaskAugmentation]):
    """Segmentation data; a subclass returns the data set of each split.

    Attributes:
        class_counts: Training pixels of each class; None where they are not counted.
        class_colours: Colour of each class in drawings; None where the data define none.
    """

    class_counts: tuple[int, ...] | None = None
    class_colours: tuple[Colour, ...] | None = None
    weaker: ClassVar[Mapping[str, str]] = {"crops": "weak"}


class MaskedImageData(ImageFileData[SegmentationListing, MaskedImage], SegmentationData):
    """Images and masks in files; a subclass lists them.

    Args:
        image_size: (height, width) in pixels; by default the median size of the images, scaled
            down to at most 512 pixels for the longer side, in multiples of 32; long images keep as
            many pixels as those of 4:3.
        crop_size: (height, width) in pixels of training crops from images of that size; whole
            images by default.
        resize_mode: How images are resized.
        batch_size: Images per batch and process.
        augment: Augmentation of the training images.
        kwargs: See `visus.datamodules.core.file_data.ImageFileData`.
    """

    def __init__(
        self,
        image_size: tuple[int, int] | None = None,
        crop_size: tuple[int, int] | None = None,
        resize_mode: WholeImageMode = "letterbox",
        batch_size: int = 8,
        augment: MaskAugmentation = "crops",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, augment=augment, **kwargs)
        check_data_ranges(image_size=image_size, crop_size=crop_size)
        self.given_size = image_size
        self.given_crop = crop_size
        self.resize_mode = resize_mode

    def stratum(self, sample: MaskedImage) -> tuple[int, ...]:
        """See `FileData.stratum`: the classes in an image."""
        return tuple(i for i, count in enumerate(sample.counts) if count)

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The given classes, or those of the data set."""
        return self.listing.classes.names

    @property
    def class_colours(self) -> tuple[Colour, ...] | None:  # type: ignore[override]
        """The colours in `classes.csv`."""
        return self.listing.classes.colours

    @property
    def class_counts(self) -> tuple[int, ...]:  # type: ignore[override]
        """Training pixels of each class."""
        counts = np.zeros(len(self.class_names), np.int64)
        for image in self.splits["train"]:
            counts += image.counts
        return tuple(int(count) for count in counts)

    @cached_property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The given size, or the median of the images' sizes; see `MaskedImageData`."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        return typical_size([image.size for image in spread(self.listing.samples)], _LONGEST_SIDE)

    @property
    def largest_scale(self) -> float:  # type: ignore[override]
        """See `VisionDataModule`."""
        return largest_scale([each.size for each in spread(self.listing.samples)], self.image_size)

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        read = partial(read_masked, classes=self.listing.classes)
        transform = None
        if split == "train":
            read = partial(read, least_side=reading_side(self.image_size))
            crop = self.given_crop or self.image_size
            transform = MaskTransform(
                self.augment,
                self.image_size,
                self.resize_mode,
                crop,
                self.in_channels,
                self.mirrors,
            )
        return SegmentationDataset(
            self.splits[split], read, self.image_size, self.resize_mode, self.in_channels, transform
        )


class ImageSegmentationData(MaskedImageData):
    """A user's own images, with masks of class ids or colours, or outlines in COCO format.

    Args:
        root: See `visus.datamodules.segmentation.files.read_segmentation`; or the folder or address
            of shards that `visus data convert` wrote.
        ignore: The value, or the class of `classes.csv`, of unlabelled pixels.
        exif: How EXIF orientation applies to outlines: `auto`, `apply` or `ignore`.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        kwargs: See `MaskedImageData`.
    """

    def __init__(
        self,
        root: str,
        ignore: int | str | None = IGNORE,
        exif: Exif = "auto",
        allow_outside: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.location = root
        self.root = Path(root)
        self.ignore = ignore
        self.exif = exif
        self.allow_outside = allow_outside

    def read_listing(self) -> SegmentationListing:
        """See `FileData.read_listing`."""
        if is_shards(self.location):
            return shards.read_listing(self.location, self.given_names)
        return read_segmentation(
            self.root,
            self.given_names,
            self.ignore,
            self.exif,
            self.in_channels,
            self.allow_outside,
        )

    def shard_source(self) -> ShardSource[MaskedImage]:
        """See `VisionDataModule.shard_source`."""
        content = shards.content(self.listing)
        return ShardSource(
            "segmentation", self.root, self.splits, self.held_out, content, shards.codec()
        )
