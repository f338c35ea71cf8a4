"""Data modules for classification: their base class, and the user's own images."""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from visus.datamodules.classification import shards
from visus.datamodules.classification.augment import (
    Augmentation,
    TrainingTransform,
    scaled_size,
)
from visus.datamodules.classification.checks import Listing, check_labels
from visus.datamodules.classification.files import Labels, Sample, read_labels
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.class_labels import count_classes, encode_labels, refuse_several
from visus.datamodules.core.file_data import ImageFileData
from visus.datamodules.core.groups import group_images
from visus.datamodules.core.images import spread
from visus.datamodules.core.loading import Batch, ImageDataset
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.vision.images import Pixels, read_image
from visus.vision.metadata import ResizeMode


class ClassificationData(VisionDataModule[Augmentation]):
    """Base class of the data modules for classification.

    Attributes:
        class_counts: Number of training images of each class; None if unknown.
        multi_label: Whether an image may have several labels, given as rows of zeros and ones
            instead of class ids.
    """

    class_counts: list[int] | None
    multi_label: bool = False
    weaker: ClassVar[Mapping[str, str]] = {"photos": "weak"}


class ImageClassificationData(ImageFileData[Listing, Sample], ClassificationData):
    """The user's own images: a folder of class folders, or a CSV of paths and labels.

    A subclass that overrides `read_labels` reads another layout; the checks of every file, the
    detection of duplicates, `skip_bad`, the splits and `visus data check` stay the same.

    Args:
        root: See `visus.datamodules.classification.files.read_labels`; or the folder or address of
            shards that `visus data convert` wrote.
        image_size: (height, width) in pixels; by default derived from the images, at most 256.
        train_scale: Size of the training images relative to `image_size`, rounded to multiples of
            32. Random crops enlarge the objects relative to whole images, which a scale below 1
            compensates (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
        resize_mode: How images are resized to that size.
        multi_label: Whether an image may have several labels; by default, whether one has.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        batch_size: Images per batch and process.
        augment: Augmentation of the training images.
        kwargs: See `visus.datamodules.core.file_data.ImageFileData`.
    """

    checkpoint_arguments = (*VisionDataModule.checkpoint_arguments, "multi_label")

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] | None = None,
        train_scale: float = 1.0,
        resize_mode: ResizeMode = "crop",
        multi_label: bool | None = None,
        allow_outside: bool = False,
        batch_size: int = 32,
        augment: Augmentation = "photos",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, augment=augment, **kwargs)
        check_data_ranges(image_size=image_size, train_scale=train_scale)
        self.location = root
        self.root = Path(root)
        self.given_size = image_size
        self.train_scale = train_scale
        self.resize_mode = resize_mode
        self.given_multi_label = multi_label
        self.allow_outside = allow_outside
        self._growth = torch.ones(()).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def training_size(self) -> tuple[int, int]:
        """See `VisionDataModule.training_size`."""
        return scaled_size(self.train_size, float(self._growth))

    def scale_training_images(self, scale: float) -> None:
        """See `VisionDataModule.scale_training_images`."""
        self._growth.fill_(scale)

    def read_labels(self) -> Labels:
        """Read the labels, without opening an image; a subclass reads another layout here."""
        return read_labels(self.root, self.allow_outside)

    def read_listing(self) -> Listing:
        """See `FileData.read_listing`."""
        if is_shards(self.location):
            return shards.read_listing(self.location, self.given_names)
        return check_labels(self.read_labels(), self.root, self.given_names, self.in_channels)

    def stratum(self, sample: Sample) -> tuple[str, ...]:
        """See `FileData.stratum`."""
        return sample.labels

    def groups(self, samples: Sequence[Sample]) -> Sequence[str] | None:
        """See `FileData.groups`; a CSV may state groups."""
        return group_images(samples, self.group_similar, attrgetter("group"))

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The classes of a checkpoint, or those of the data set."""
        return tuple(self.given_names) if self.given_names else self.listing.class_names

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Number of training images of each class."""
        return count_classes(self.splits["train"], self.class_names)

    @property
    def multi_label(self) -> bool:  # type: ignore[override]
        """Whether an image may have several labels."""
        given = self.given_multi_label
        return self.listing.multi_label if given is None else given

    @property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The given size, or a square of the median shorter side, rounded to a multiple of 32."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        median = int(np.median([min(sample.size) for sample in spread(self.listing.samples)]))
        side = min(256, max(32, (median + 16) // 32 * 32))
        return side, side

    @property
    def train_size(self) -> tuple[int, int]:
        """(height, width) of training images in pixels."""
        return scaled_size(self.image_size, self.train_scale)

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        samples = self.splits[split]
        if not self.multi_label:
            refuse_several(samples)
        labels = (sample.labels for sample in samples)
        transform, read_augmented = None, None
        if split == "train":
            transform = TrainingTransform(
                self.augment, self.train_size, self.resize_mode, self.mirrors
            )
            transform.scale = self._growth
            read_augmented = partial(_read_image, least_side=transform.least_side)
        return ImageDataset(
            samples,
            _read_image,
            encode_labels(labels, self.class_names, self.multi_label),
            self.image_size,
            self.resize_mode,
            self.in_channels,
            transform,
            read_augmented,
        )

    def shard_source(self) -> ShardSource[Sample]:
        """See `VisionDataModule.shard_source`."""
        content = shards.content(self.listing)
        return ShardSource(
            "classification", self.root, self.splits, self.held_out, content, shards.codec()
        )

    def feature_contents(self) -> list[str]:
        """See `VisionDataModule.feature_contents`."""
        return [sample.content for sample in self.splits["train"]]

    @property
    def feature_recipe(self) -> str:
        """See `VisionDataModule.feature_recipe`."""
        return f"{super().feature_recipe} {self.train_size} {self.mirrors}"


def _read_image(sample: Sample, least_side: int | None = None) -> Pixels:
    return read_image(sample.image_source, least_side=least_side)
