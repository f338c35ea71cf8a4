"""Images with class labels: what all such data offer, and a user's own folder or CSV."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from visus.datamodules.classification.augment import Augmentation, TrainingTransform
from visus.datamodules.classification.files import (
    Labels,
    Listing,
    Sample,
    check_labels,
    count_classes,
    read_labels,
)
from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.images import image_paths, usable_images
from visus.datamodules.core.loading import Batch, ImageDataset, default_workers
from visus.datamodules.core.splits import split_samples
from visus.vision.errors import VisusError
from visus.vision.images import read_image
from visus.vision.metadata import ResizeMode


class ClassificationData(VisionDataModule[Augmentation]):
    """What all classification data offer; a subclass makes the data sets.

    Attributes:
        class_counts: Training images of each class; None with a checkpoint's class names.
        multi_label: Whether labels are rows of zeros and ones instead of class ids.
    """

    class_counts: list[int] | None
    multi_label: bool = False


class ImageClassificationData(ClassificationData):
    """A user's own images: a folder of class folders, or a CSV of paths and labels.

    Args:
        root: See `visus.datamodules.classification.files.read_listing`.
        image_size: (height, width); by default what the images' sizes suggest, 256 at most.
        train_scale: Size of training images as a share of `image_size`, to multiples of 32.
            Random crops make things look larger than they will in whole images; a share below 1
            evens that out (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
        resize_mode: How images are brought to that size.
        val_share: Share held out for validation where the data set states no such split.
        fold: Which share, from 0, for cross-validation.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        skip_bad: Leave out bad samples and count them, instead of refusing.
        class_names: The classes as a checkpoint states them; the data's own otherwise.
        multi_label: Whether an image may have several labels; by default what the labels say.
        in_channels: 3 for RGB, 1 for grey.
        evaluate_all: Validate and test on all images where the data set states no splits; the
            command line sets it for other data than a checkpoint was trained on.
    """

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
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        self.given_multi_label = multi_label
        self.root = Path(root)
        self.given_size = image_size
        if not 0 < train_scale <= 1:
            raise VisusError(f"data.train_scale {train_scale} must lie above 0 and not exceed 1")
        self.train_scale = train_scale
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.fold = fold
        self.skip_bad = skip_bad
        self.given_names = class_names
        self.in_channels = in_channels
        self.evaluate_all = evaluate_all

    def read_labels(self) -> Labels:
        """The labels as they are stored; a subclass reads another layout here."""
        return read_labels(self.root)

    def read_listing(self) -> Listing:
        """The samples, every file checked."""
        return check_labels(self.read_labels(), self.root, self.given_names)

    @cached_property
    def listing(self) -> Listing:
        """The samples, every file checked; problems are printed or raised."""
        listing = self.read_listing()
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing

    @cached_property
    def splits(self) -> dict[str, list[Sample]]:
        """The samples of each split."""
        return split_samples(
            self.listing.samples,
            lambda sample: sample.labels,
            self.val_share,
            self.fold,
            self.evaluate_all,
        )

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The checkpoint's classes, or the data's own."""
        return tuple(self.given_names) if self.given_names else self.listing.class_names

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Training images of each class."""
        return count_classes(self.splits["train"], self.class_names)

    @property
    def multi_label(self) -> bool:  # type: ignore[override]
        """What was given, or whether any image has several labels."""
        given = self.given_multi_label
        return self.listing.multi_label if given is None else given

    @property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The size given, or the multiple of 32 nearest to the middle one of the shorter sides."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        middle = int(np.median([min(sample.size) for sample in self.listing.samples]))
        side = min(256, max(32, (middle + 16) // 32 * 32))
        return side, side

    @property
    def train_size(self) -> tuple[int, int]:
        """(height, width) of training images in pixels."""
        if self.train_scale == 1:
            return self.image_size
        height, width = (max(32, round(s * self.train_scale / 32) * 32) for s in self.image_size)
        return height, width

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `ClassificationData.dataset`; predictions need a folder of images, no labels."""
        if split == "predict":
            paths, problems = usable_images(image_paths(self.root), self.in_channels)
            raise_or_warn(problems, self.skip_bad)
            labels = None
        else:
            paths = [sample.path for sample in self.splits[split]]
            names = [sample.labels for sample in self.splits[split]]
            if not self.multi_label:
                self._refuse_several(self.splits[split])
            labels = encode_labels(names, self.class_names, self.multi_label)
        transform = None
        if split == "train":
            transform = TrainingTransform(self.augment, self.train_size, self.resize_mode)
        return ImageDataset(
            paths,
            read_image,
            labels,
            self.image_size,
            self.resize_mode,
            self.in_channels,
            transform,
        )

    def _refuse_several(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            if len(sample.labels) != 1:
                told = "|".join(sample.labels) or "no label"
                raise VisusError(
                    f"{sample.place}: {told}, where one label is expected; keep one, or train "
                    "with --data.multi_label true"
                )


def encode_labels(
    labels: list[tuple[str, ...]], class_names: tuple[str, ...], multi_label: bool
) -> NDArray[Any]:
    """Names as class ids int64 (samples,), or as float32 rows of zeros and ones."""
    index = {name: i for i, name in enumerate(class_names)}
    if not multi_label:
        return np.array([index[names[0]] for names in labels], np.int64)
    rows = np.zeros((len(labels), len(class_names)), np.float32)
    for row, names in zip(rows, labels, strict=True):
        row[[index[name] for name in names]] = 1
    return rows
