"""Data sets of images, or of their cached feature maps, with captions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import Vocabulary, tokenise


class CaptionSample(NamedTuple):
    """An image, uint8 RGB, with its reference captions."""

    image: Pixels
    truth: CaptionTruth


class CaptioningDataset(SourceDataset[Any, CaptionTransform]):
    """Images with captions.

    Args:
        sources: As in `SourceDataset`.
        read: Function from a source to a `CaptionSample`.
        size: As in `SourceDataset`.
        mode: As in `SourceDataset`.
        vocabulary: The vocabulary.
        max_words: Maximum number of words of a caption, its end token included.
        captions_per_image: Number of captions of a training sample, drawn at random; they repeat
            if there are fewer.
        transform: As in `SourceDataset`.
    """

    def __init__(
        self,
        sources: Sequence[object],
        read: Callable[[object], Any],
        size: tuple[int, int],
        mode: ResizeMode,
        vocabulary: Vocabulary,
        max_words: int,
        captions_per_image: int = 1,
        transform: CaptionTransform | None = None,
    ) -> None:
        super().__init__(sources, read, size, mode, 3, transform)
        self.vocabulary = vocabulary
        self.max_words = max_words
        self.captions_per_image = captions_per_image

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image` and `source`, and those of `words` or `geometry` and `truth`."""
        image, truth = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(image, self.size, self.mode)
            item["truth"] = truth
        else:
            image = self.transform(image, truth.captions)
            item |= self.words(index, truth.captions)
        item["image"] = to_tensor(image)
        return item

    def targets(self, index: int) -> Batch:
        """A training sample without its image; the sources have the attribute `captions`."""
        words = self.words(index, self.sources[index].captions)
        return {"source": self.name(index), **words}

    def words(self, index: int, captions: Sequence[str]) -> Batch:
        """Training targets of an image.

        Returns:
            `words`, word ids as int64 of shape (captions_per_image, max_words), and the image's
            `index`.
        """
        order = torch.randperm(len(captions)).tolist()
        chosen = [captions[order[i % len(order)]] for i in range(self.captions_per_image)]
        encoded = [self.vocabulary.encode(tokenise(text), self.max_words) for text in chosen]
        words = torch.stack([torch.from_numpy(ids) for ids in encoded])
        return {"words": words, "index": torch.tensor(index)}
