"""Data modules of images with captions, and a user's own data set."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from visus.datamodules.captioning import shards
from visus.datamodules.captioning.augment import CaptionAugmentation, CaptionTransform
from visus.datamodules.captioning.dataset import CaptioningDataset, CaptionSample
from visus.datamodules.captioning.files import (
    CaptionedImage,
    CaptionLabels,
    CaptionListing,
    check_captions,
    read_labels,
)
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.file_data import FileData
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.vision.errors import VisusError
from visus.vision.images import read_image
from visus.vision.metadata import ResizeMode
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import SPECIAL_TOKENS, Vocabulary, build_vocabulary, tokenise


class CaptioningData(VisionDataModule[CaptionAugmentation]):
    """Base class of the captioning data modules; a subclass returns the data set of each split.

    The class names are the vocabulary, special tokens first.

    Attributes:
        max_words: Maximum number of words of a caption, its end token included.
        frames: Number of frames of a clip; 1 for images.
    """

    max_words: int
    frames: int = 1

    @property
    @abstractmethod
    def train_captions(self) -> Sequence[Sequence[str]]:
        """The reference captions of each training image; self-critical training needs them."""


class ImageCaptioningData(FileData[CaptionListing, CaptionedImage], CaptioningData):
    """A user's own data set: images with captions.

    If the backbone is frozen for the whole training (`model.freeze_epochs: -1`), the feature maps
    of the training images are computed once and cached on disk.

    Args:
        root: See `visus.datamodules.captioning.files.read_labels`; or the folder or address of
            shards that `visus data convert` wrote.
        image_size: (height, width) in pixels.
        resize_mode: How images are resized to that size.
        min_count: Minimum number of occurrences of a word in the training captions.
        max_words: Maximum number of words of a caption, its end token included.
        captions_per_image: Number of captions of each image in a batch.
        views: Number of augmented copies of each image whose feature maps are cached.
        allow_outside: Whether annotations may name files outside of the data set's folder.
        val_share: Fraction held out for validation if the data set has no validation split.
        batch_size: Images per batch and process.
        augment: Augmentation of the training images.
        kwargs: See `visus.datamodules.core.file_data.FileData`; the class names are the vocabulary.
    """

    in_channels = 3

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] = (224, 224),
        resize_mode: ResizeMode = "stretch",
        min_count: int = 3,
        max_words: int = 22,
        captions_per_image: int = 5,
        views: int = 8,
        allow_outside: bool = False,
        val_share: float = 0.1,
        batch_size: int = 16,
        augment: CaptionAugmentation = "captions",
        **kwargs: Any,
    ) -> None:
        super().__init__(val_share=val_share, batch_size=batch_size, augment=augment, **kwargs)
        check_data_ranges(
            image_size=image_size,
            min_count=min_count,
            max_words=max_words,
            captions_per_image=captions_per_image,
            views=views,
        )
        self.location = root
        self.root = Path(root)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.resize_mode = resize_mode
        self.min_count = min_count
        self.max_words = max_words
        self.captions_per_image = captions_per_image
        self.views = views
        self.allow_outside = allow_outside

    def read_labels(self) -> CaptionLabels:
        """The captions as they are stored; a subclass reads another format here."""
        return read_labels(self.root, self.allow_outside)

    def read_listing(self) -> CaptionListing:
        """See `FileData.read_listing`; the words are compared with a checkpoint's vocabulary."""
        listing = self.check_files()
        if not self.given_names:
            return listing
        unknown = _check_vocabulary(listing.samples, self.given_names, self.root)
        return replace(listing, problems=(*listing.problems, *unknown))

    def check_files(self) -> CaptionListing:
        """The images with their captions, every file checked."""
        if is_shards(self.location):
            return shards.read_listing(self.location)
        return check_captions(self.read_labels(), self.root)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The vocabulary of the checkpoint, or that of the training captions."""
        if self.given_names:
            return tuple(self.given_names)
        if not self.splits["train"]:
            splits = " and ".join(sorted({image.split for image in self.listing.samples}))
            raise VisusError(
                f"{self.root}: holds no images of the split train, only of {splits}; add images "
                "for training"
            )
        images = self.splits["train"]
        captions = (tokenise(text) for image in images for text in image.captions)
        words = build_vocabulary(captions, self.min_count)
        if len(words) == len(SPECIAL_TOKENS):
            raise VisusError(
                f"no word occurs {self.min_count} times in the training captions of {self.root}; "
                "lower data.min_count"
            )
        return words

    @property
    def train_captions(self) -> list[tuple[str, ...]]:
        """See `CaptioningData.train_captions`."""
        return [image.captions for image in self.splits["train"]]

    def dataset(self, split: str) -> CaptioningDataset:
        """See `VisionDataModule.dataset`."""
        transform = None
        if split == "train":
            transform = CaptionTransform(self.augment, self.image_size, self.resize_mode)
        return CaptioningDataset(
            self.splits[split],
            _read_sample,
            self.image_size,
            self.resize_mode,
            Vocabulary(self.class_names),
            self.max_words,
            self.captions_per_image,
            transform,
        )

    def shard_source(self) -> ShardSource[CaptionedImage]:
        """See `VisionDataModule.shard_source`."""
        return ShardSource("captioning", self.root, self.splits, self.held_out, {}, shards.codec())

    def feature_contents(self) -> list[str]:
        """See `VisionDataModule.feature_contents`."""
        return [image.content for image in self.splits["train"]]

    @property
    def feature_recipe(self) -> str:
        """See `VisionDataModule.feature_recipe`."""
        return super().feature_recipe + (f" {self.frames} frames" if self.frames > 1 else "")


def _read_sample(image: Any) -> CaptionSample:
    return CaptionSample(read_image(image.image_source), CaptionTruth(image.captions))


def _check_vocabulary(
    images: Sequence[CaptionedImage], known: Sequence[str], root: Path
) -> list[Problem]:
    """Words of the captions that are missing in the vocabulary of a checkpoint."""
    words = {word for p in images for caption in p.captions for word in tokenise(caption)}
    unknown = sorted(words - set(known))
    if not unknown:
        return []
    message = (
        f"{len(unknown)} of the {len(words)} words of the captions are not in the model's "
        f"vocabulary, such as {', '.join(unknown[:5])}: it cannot generate them"
    )
    return [Problem(str(root), message, "warning" if len(unknown) < len(words) else "fatal")]
