"""Images with captions: what all such data offer, and a user's own data set."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from visus.datamodules.captioning.augment import CaptionAugmentation, CaptionTransform
from visus.datamodules.captioning.dataset import Captioned, CaptioningDataset, FeatureDataset
from visus.datamodules.captioning.feature_cache import FeatureCache
from visus.datamodules.captioning.files import CaptionedImage, CaptionListing, read_captions
from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.images import image_paths, usable_images
from visus.datamodules.core.loading import Batch, ImageDataset, default_workers, make_loader
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import split_samples
from visus.vision.errors import VisusError
from visus.vision.images import read_image
from visus.vision.metadata import ResizeMode
from visus.vision.progress import track
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import SPECIAL, Vocabulary, build_vocabulary, tokenise


class CaptioningData(VisionDataModule[CaptionAugmentation]):
    """What all captioning data offer; a subclass makes the data sets.

    Its class names are the words.

    Attributes:
        max_words: Of a caption, its end included.
        train_captions: People's captions of each training image.
    """

    max_words: int

    @property
    @abstractmethod
    def train_captions(self) -> Sequence[Sequence[str]]:
        """People's captions of each training image."""


class Encoder(Protocol):
    """The half of a captioner that looks, where it does not learn."""

    def look(self, images: Tensor) -> Tensor:
        """Feature maps of uint8 images, to be kept."""
        ...

    def encoder_fingerprint(self) -> str | None:
        """Tells its weights apart from others; None where they learn."""
        ...


class ImageCaptioningData(CaptioningData):
    """A user's own data set: images with sentences about them.

    Where the captioner's backbone does not learn (`model.freeze_epochs: -1`), the feature maps of
    the training images are computed once and kept on disk.

    Args:
        root: See `visus.datamodules.captioning.files.read_captions`.
        image_size: (height, width) in pixels.
        resize_mode: How images are brought to that size.
        min_count: How often a word must occur in training to be learnt.
        max_words: Words of a caption that are learnt and written, the end included.
        captions_per_image: In a batch.
        views: How many changed copies of an image feature maps are kept of.
        val_share: Share held out for validation where the data set states no such split.
        fold: Which share, from 0, for cross-validation.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        skip_bad: Leave out bad images and count them, instead of refusing.
        class_names: The words as a checkpoint states them; by default the data's own.
        evaluate_all: Validate and test on all images where the data set states no splits; the
            command line sets it for other data than a checkpoint was trained on.
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
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        if min(min_count, captions_per_image, views) < 1:
            raise VisusError(
                f"data.min_count {min_count}, data.captions_per_image {captions_per_image} and "
                f"data.views {views} must be at least 1"
            )
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

    @cached_property
    def listing(self) -> CaptionListing:
        """The images, checked; problems are told once."""
        listing = read_captions(self.root)
        problems = list(listing.problems)
        if self.given_names:
            problems += _strangers(listing.images, self.given_names, self.root)
        raise_or_warn(problems, self.skip_bad)
        self.skipped = listing.left_out
        return listing

    @cached_property
    def splits(self) -> dict[str, list[CaptionedImage]]:
        """The images of each split."""
        return split_samples(
            self.listing.images, _all_alike, self.val_share, self.fold, self.evaluate_all
        )

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The checkpoint's words, or those of the training captions."""
        if self.given_names:
            return tuple(self.given_names)
        captions = (tokenise(text) for told in self.train_captions for text in told)
        words = build_vocabulary(captions, self.min_count)
        if len(words) == len(SPECIAL):
            raise VisusError(
                f"no word occurs {self.min_count} times in the training captions of {self.root}; "
                "lower data.min_count"
            )
        return words

    @property
    def train_captions(self) -> list[tuple[str, ...]]:
        """See `CaptioningData`."""
        return [image.captions for image in self.splits["train"]]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`; predictions need images, no captions."""
        if split == "predict":
            if self.root.is_dir():
                paths, problems = usable_images(image_paths(self.root))
                raise_or_warn(problems, self.skip_bad)
            else:
                paths = [image.path for image in self.listing.images]
            return ImageDataset(paths, read_image, None, self.image_size, self.resize_mode)
        return self.images(split)

    def images(self, split: str) -> CaptioningDataset:
        """The images of `train`, `val` or `test`, those of `train` changed at random."""
        transform = None
        if split == "train":
            transform = CaptionTransform(self.augment, self.image_size, self.resize_mode)
        return CaptioningDataset(
            self.splits[split],
            _read,
            self.image_size,
            self.resize_mode,
            Vocabulary(self.class_names),
            self.max_words,
            self.captions_per_image,
            transform,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Images, or their feature maps where the encoder does not learn."""
        encoder: Any = self.trainer.lightning_module if self.trainer else None
        fingerprint = encoder.encoder_fingerprint() if encoder else None
        if fingerprint is None:
            return super().train_dataloader()
        images = self.images("train")
        recipe = f"{self.augment} {self.image_size} {self.resize_mode}"
        cache = FeatureCache(fingerprint, recipe, self.views)
        trainer = self.trainer
        assert trainer is not None
        rank, world = trainer.global_rank, trainer.world_size
        fill_cache(cache, images, encoder, range(rank, len(images), world))
        trainer.strategy.barrier()
        features = FeatureDataset(images, cache)
        return make_loader(features, self.batch_size, self.num_workers, True, rank, world)


def fill_cache(
    cache: FeatureCache, images: CaptioningDataset, encoder: Encoder, numbers: range
) -> None:
    """Compute the feature maps that the cache lacks.

    Args:
        cache: Where they are kept.
        images: What to look at, changed at random in the same way each time.
        encoder: What looks.
        numbers: Of the images.
    """
    missing = [n for n in numbers if cache.read(images.sources[n].content) is None]
    with torch.random.fork_rng():
        for number in track(missing, "Computing feature maps", total=len(missing)):
            content = images.sources[number].content
            torch.manual_seed(int(content[:15], 16))
            views = torch.stack([images[number]["image"] for _ in range(cache.views)])
            cache.write(content, encoder.look(views).cpu().numpy().astype(np.float16))


def _read(image: Any) -> Captioned:
    return Captioned(read_image(image.path), CaptionTruth(image.captions))


def _all_alike(image: CaptionedImage) -> tuple[()]:
    """Captions form no groups whose shares could be kept."""
    return ()


def _strangers(images: Sequence[CaptionedImage], known: Sequence[str], root: Path) -> list[Problem]:
    """What a checkpoint's vocabulary lacks of the words of captions."""
    words = {word for p in images for caption in p.captions for word in tokenise(caption)}
    unknown = sorted(words - set(known))
    if not unknown:
        return []
    message = (
        f"{len(unknown)} of the {len(words)} words of the captions are not in the model's "
        f"vocabulary, such as {', '.join(unknown[:5])}: it cannot write them"
    )
    return [Problem(str(root), message, "warning" if len(unknown) < len(words) else "fatal")]
