"""Data modules of images with captions, and a user's own data set."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
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
from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.loading import default_workers
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.shards.writer import ShardSource
from visus.datamodules.core.splits import split_samples
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


class ImageCaptioningData(CaptioningData):
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
        val_share: Fraction held out for validation if the data set has no validation split.
        fold: Index of the held-out part, from 0, for cross-validation.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; by default one for each core beyond the
            first.
        augment: Augmentation of the training images.
        skip_bad: Leave out bad images and count them, instead of raising an error.
        class_names: The vocabulary of a checkpoint; by default that of the training captions.
        evaluate_all: Validate and test on all images if the data set has no splits; the command
            line sets it for other data than a checkpoint was trained on.
        allow_outside: Whether annotations may name files outside of the data set's folder.
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
        val_share: float = 0.1,
        fold: int = 0,
        batch_size: int = 16,
        num_workers: int | None = None,
        augment: CaptionAugmentation = "captions",
        skip_bad: bool = False,
        class_names: list[str] | None = None,
        evaluate_all: bool = False,
        allow_outside: bool = False,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        check_data_ranges(
            image_size=image_size,
            min_count=min_count,
            max_words=max_words,
            captions_per_image=captions_per_image,
            views=views,
            val_share=val_share,
            fold=fold,
        )
        self.location = root
        self.root = Path(root)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.resize_mode = resize_mode
        self.min_count = min_count
        self.max_words = max_words
        self.captions_per_image = captions_per_image
        self.views = views
        self.val_share = val_share
        self.fold = fold
        self.skip_bad = skip_bad
        self.given_names = class_names
        self.evaluate_all = evaluate_all
        self.allow_outside = allow_outside

    def read_labels(self) -> CaptionLabels:
        """The captions as they are stored; a subclass reads another format here."""
        return read_labels(self.root, self.allow_outside)

    def read_listing(self) -> CaptionListing:
        """The images with their captions, every file checked."""
        if is_shards(self.location):
            return shards.read_listing(self.location)
        return check_captions(self.read_labels(), self.root)

    @cached_property
    def listing(self) -> CaptionListing:
        """The images with their captions, every file checked; problems are printed or raised."""
        listing = self.read_listing()
        problems = list(listing.problems)
        if self.given_names:
            problems += _check_vocabulary(listing.images, self.given_names, self.root)
        raise_or_warn(problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing

    @cached_property
    def splits(self) -> Mapping[str, Sequence[CaptionedImage]]:
        """The images of each split."""
        return split_samples(
            self.listing.images, _one_stratum, self.val_share, self.fold, self.evaluate_all
        )

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The vocabulary of the checkpoint, or that of the training captions."""
        if self.given_names:
            return tuple(self.given_names)
        if not self.splits["train"]:
            splits = " and ".join(sorted({image.split for image in self.listing.images}))
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
        stated = any(each.split == "val" for each in self.listing.images)
        held_out = None if stated else (self.val_share, self.fold)
        return ShardSource("captioning", self.root, self.splits, held_out, {}, shards.codec())

    def feature_contents(self) -> list[str]:
        """See `VisionDataModule.feature_contents`."""
        return [image.content for image in self.splits["train"]]

    @property
    def feature_recipe(self) -> str:
        """See `VisionDataModule.feature_recipe`."""
        return super().feature_recipe + (f" {self.frames} frames" if self.frames > 1 else "")


def _read_sample(image: Any) -> CaptionSample:
    return CaptionSample(read_image(image.image_source), CaptionTruth(image.captions))


def _one_stratum(image: CaptionedImage) -> tuple[()]:
    """Captions have no classes by which a hold-out could be stratified."""
    return ()


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
