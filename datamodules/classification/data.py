"""Data modules for classification: their base class, and the user's own images."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import ClassVar

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
from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.class_labels import count_classes, encode_labels, refuse_several
from visus.datamodules.core.groups import group_images
from visus.datamodules.core.images import spread
from visus.datamodules.core.loading import Batch, ImageDataset, default_workers
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.datamodules.core.splits import split_samples
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


class ImageClassificationData(ClassificationData):
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
        val_share: Fraction held out for validation if the data set has no such split.
        fold: Index of the hold-out, from 0, for cross-validation.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; one for each core but the first by default.
        augment: Augmentation of the training images.
        flip: Whether augmentation mirrors images; by default unless classes are named after a
            side or a sense of rotation, such as `left arrow`, or are the letters of the alphabet.
        skip_bad: Leave bad samples out, instead of raising an error.
        class_names: The classes of a checkpoint, in order; by default those of the data set.
        multi_label: Whether an image may have several labels; by default, whether one has.
        in_channels: 3 for RGB, 1 for grey.
        evaluate_all: Validate and test on all images if the data set has no splits; the command
            line sets it for data other than those that a checkpoint was trained on.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        group_similar: Whether images that look alike, such as slices of one head, are held out
            together, as are those of one `group` in a CSV.
    """

    checkpoint_arguments = (*VisionDataModule.checkpoint_arguments, "multi_label")

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] | None = None,
        train_scale: float = 1.0,
        resize_mode: ResizeMode = "crop",
        val_share: float = 0.2,
        fold: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
        augment: Augmentation = "photos",
        skip_bad: bool = False,
        class_names: list[str] | None = None,
        multi_label: bool | None = None,
        in_channels: int = 3,
        evaluate_all: bool = False,
        allow_outside: bool = False,
        group_similar: bool = False,
        flip: bool | None = None,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        check_data_ranges(
            image_size=image_size,
            train_scale=train_scale,
            val_share=val_share,
            fold=fold,
            in_channels=in_channels,
        )
        self.given_multi_label = multi_label
        self.location = root
        self.root = Path(root)
        self.given_size = image_size
        self.train_scale = train_scale
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.fold = fold
        self.skip_bad = skip_bad
        self.given_names = class_names
        self.in_channels = in_channels
        self.evaluate_all = evaluate_all
        self.allow_outside = allow_outside
        self.group_similar = group_similar
        self.flip = flip
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
        """Read the labels and check every file; returns problems instead of raising them."""
        if is_shards(self.location):
            return shards.read_listing(self.location, self.given_names)
        return check_labels(self.read_labels(), self.root, self.given_names)

    @cached_property
    def listing(self) -> Listing:
        """The checked samples; problems are printed or raised."""
        listing = self.read_listing()
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing

    @cached_property
    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """The samples of each split."""
        return split_samples(
            self.listing.samples,
            lambda sample: sample.labels,
            self.val_share,
            self.fold,
            self.evaluate_all,
            partial(group_images, similar=self.group_similar, stated=attrgetter("group")),
        )

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
        stated = any(each.split == "val" for each in self.listing.samples)
        held_out = None if stated else (self.val_share, self.fold)
        content = shards.content(self.listing)
        return ShardSource(
            "classification", self.root, self.splits, held_out, content, shards.codec()
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
