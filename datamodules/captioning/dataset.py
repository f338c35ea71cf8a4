"""Images with captions as samples: what training learns from, and what evaluation compares."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.feature_cache import FeatureCache
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import Vocabulary, tokenise


class Captioned(NamedTuple):
    """An image, uint8 RGB, and what is said of it."""

    image: Pixels
    truth: CaptionTruth


class CaptioningDataset(SourceDataset[Captioned, CaptionTransform]):
    """Images and captions that are read when they are asked for.

    Args:
        sources: See `SourceDataset`.
        read: From a source to an image and its captions.
        size: See `SourceDataset`.
        mode: "
        vocabulary: The words.
        max_words: Of a caption, its end included.
        each: How many captions a training sample has; of more some are drawn, fewer repeat.
        transform: See `SourceDataset`.
    """

    def __init__(
        self,
        sources: Sequence[object],
        read: Callable[[object], Captioned],
        size: tuple[int, int],
        mode: ResizeMode,
        vocabulary: Vocabulary,
        max_words: int,
        each: int = 1,
        transform: CaptionTransform | None = None,
    ) -> None:
        super().__init__(sources, read, size, mode, 3, transform)
        self.vocabulary = vocabulary
        self.max_words = max_words
        self.each = each

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`; in training `words` and `number`, else `fit`, `truth`."""
        image, truth = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(image, self.size, self.mode)
            item["truth"] = truth
        else:
            image = self.transform(image, truth.captions)
            item |= self.lesson(index, truth.captions)
        item["image"] = to_tensor(image)
        return item

    def lesson(self, index: int, captions: Sequence[str]) -> Batch:
        """What is learnt of an image: `words`, int64 (captions, max_words), and its `number`."""
        order = torch.randperm(len(captions)).tolist()
        chosen = [captions[order[i % len(order)]] for i in range(self.each)]
        encoded = [self.vocabulary.encode(tokenise(text), self.max_words) for text in chosen]
        words = torch.stack([torch.from_numpy(numbers) for numbers in encoded])
        return {"words": words, "number": torch.tensor(index)}


class FeatureDataset(torch.utils.data.Dataset[Batch]):
    """As training samples of a `CaptioningDataset`, with feature maps instead of images.

    Args:
        images: The data set; its sources have captions and a content.
        cache: Holds the maps of all.
    """

    def __init__(self, images: CaptioningDataset, cache: FeatureCache) -> None:
        self.images = images
        self.cache = cache

    def __len__(self) -> int:
        """How many images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """One sample: `features` of one of the image's views, `source`, `words`, `number`."""
        image = self.images.sources[index]
        maps = self.cache.read(image.content)
        assert maps is not None, "filled before training"
        view = int(torch.randint(len(maps), ()))
        features = torch.from_numpy(maps[view].copy())
        lesson = self.images.lesson(index, image.captions)
        return {"source": self.images.name(index), "features": features, **lesson}
