"""Images whose every pixel has a class: what all such data offer, and a user's own data set."""

from abc import abstractmethod
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.detection_files import Exif
from visus.datamodules.core.images import image_paths, typical_size, usable_images
from visus.datamodules.core.loading import Batch, ImageDataset, default_workers
from visus.datamodules.core.splits import split_samples
from visus.datamodules.segmentation.augment import MaskAugmentation, MaskTransform
from visus.datamodules.segmentation.dataset import SegmentationDataset, read_masked
from visus.datamodules.segmentation.files import SegmentationListing, read_segmentation
from visus.datamodules.segmentation.mask_pairs import MaskedImage
from visus.vision.colours import Colour
from visus.vision.images import read_image
from visus.vision.masks import IGNORE

_LONGEST_SIDE = 512

WholeGeometry = Literal["letterbox", "stretch"]
"""The fit modes that show the whole image, so that every pixel gets a class."""


class SegmentationData(VisionDataModule[MaskAugmentation]):
    """What all segmentation data offer; a subclass makes the data sets.

    Attributes:
        class_counts: Training pixels of each class; None where they are not counted.
        class_colours: To draw each class with; None where the data set names none.
    """

    class_counts: list[int] | None = None
    class_colours: list[Colour] | None = None


class MaskedImageData(SegmentationData):
    """Data of images and masks in files; a subclass lists them.

    Args:
        image_size: (height, width); by default the images' own aspect, at most 512 pixels long.
        crop_size: (height, width) of training crops at that scale; the whole by default.
        resize_mode: How images are brought to that size.
        val_share: Share held out for validation where the data set states no such split.
        fold: Which share, from 0, for cross-validation.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        in_channels: 3 for RGB, 1 for grey; other counts for images that are `.npy` files.
        evaluate_all: Validate and test on all images where the data set states no splits.
    """

    def __init__(
        self,
        image_size: tuple[int, int] | None,
        crop_size: tuple[int, int] | None,
        resize_mode: WholeGeometry,
        val_share: float,
        fold: int,
        batch_size: int,
        num_workers: int | None,
        augment: MaskAugmentation,
        in_channels: int,
        evaluate_all: bool,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        self.given_size = image_size
        self.given_crop = crop_size
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.fold = fold
        self.in_channels = in_channels
        self.evaluate_all = evaluate_all

    @property
    @abstractmethod
    def listing(self) -> SegmentationListing:
        """The images and their classes, checked; problems are told once."""

    @cached_property
    def splits(self) -> dict[str, list[MaskedImage]]:
        """The images of each split."""
        return split_samples(
            self.listing.images, _present, self.val_share, self.fold, self.evaluate_all
        )

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The checkpoint's classes, or the data's own."""
        return self.listing.classes.names

    @property
    def class_colours(self) -> list[Colour] | None:  # type: ignore[override]
        """As `classes.csv` states them."""
        colours = self.listing.classes.colours
        return list(colours) if colours else None

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Training pixels of each class."""
        counts = np.zeros(len(self.class_names), np.int64)
        for image in self.splits["train"]:
            counts += image.counts
        return [int(count) for count in counts]

    @cached_property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The size given, or the middle aspect of the images, in multiples of 32."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        return typical_size([image.size for image in self.listing.images], _LONGEST_SIDE)

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`; predictions are made for the test images."""
        split = "test" if split == "predict" else split
        transform = None
        if split == "train":
            crop = self.given_crop or self.image_size
            transform = MaskTransform(
                self.augment, self.image_size, self.resize_mode, crop, self.in_channels
            )
        read = partial(read_masked, classes=self.listing.classes)
        return SegmentationDataset(
            self.splits[split], read, self.image_size, self.resize_mode, self.in_channels, transform
        )


class ImageSegmentationData(MaskedImageData):
    """A user's own data set: images with masks of class ids or colours, or COCO's outlines.

    Args:
        root: See `visus.datamodules.segmentation.files.read_segmentation`.
        ignore: The value, or the class of `classes.csv`, that is neither learnt nor counted.
        exif: What EXIF orientation means to outlines: `auto`, `apply` or `ignore`.
        image_size: See `MaskedImageData`.
        crop_size: "
        resize_mode: "
        val_share: "
        fold: "
        batch_size: "
        num_workers: "
        augment: "
        skip_bad: Leave out bad images and count them, instead of refusing.
        class_names: The classes in the order of their ids; by default as `classes.csv` states
            them, or numbered.
        in_channels: See `MaskedImageData`.
        evaluate_all: See `MaskedImageData`; the command line sets it for other data than a
            checkpoint was trained on.
    """

    def __init__(
        self,
        root: str,
        ignore: int | str | None = IGNORE,
        exif: Exif = "auto",
        image_size: tuple[int, int] | None = None,
        crop_size: tuple[int, int] | None = None,
        resize_mode: WholeGeometry = "letterbox",
        val_share: float = 0.2,
        fold: int = 0,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: MaskAugmentation = "crops",
        skip_bad: bool = False,
        class_names: list[str] | None = None,
        in_channels: int = 3,
        evaluate_all: bool = False,
    ) -> None:
        super().__init__(
            image_size,
            crop_size,
            resize_mode,
            val_share,
            fold,
            batch_size,
            num_workers,
            augment,
            in_channels,
            evaluate_all,
        )
        self.root = Path(root)
        self.ignore = ignore
        self.exif = exif
        self.skip_bad = skip_bad
        self.given_names = class_names

    @cached_property
    def listing(self) -> SegmentationListing:
        """See `MaskedImageData.listing`."""
        listing = read_segmentation(
            self.root, self.given_names, self.ignore, self.exif, self.in_channels
        )
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`; predictions need a folder of images, no masks."""
        if split != "predict":
            return super().dataset(split)
        paths, problems = usable_images(image_paths(self.root), self.in_channels)
        raise_or_warn(problems, self.skip_bad)
        return ImageDataset(
            paths, read_image, None, self.image_size, self.resize_mode, self.in_channels
        )


def _present(image: MaskedImage) -> tuple[int, ...]:
    """The classes in an image."""
    return tuple(i for i, count in enumerate(image.counts) if count)
