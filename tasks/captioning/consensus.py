"""Captions without a language model: what people said of the images that look most alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visus.tasks.captioning.ngram_metrics import count_grams
from visus.vision.vocabulary import tokenise


def consensus_captions(
    features: NDArray[np.float32],
    known: NDArray[np.float32],
    captions: Sequence[Sequence[str]],
    neighbours: int = 20,
) -> list[str]:
    """For each image the caption that its nearest known images' captions agree with most.

    Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning".

    Args:
        features: A vector for each image, (images, numbers).
        known: The same for the images whose captions are known.
        captions: People's captions of each of those.
        neighbours: How many of them are asked.
    """
    nearness = _normalised(features) @ _normalised(known).T
    nearest = np.argsort(-nearness, axis=1, kind="stable")[:, :neighbours]
    return [_most_agreed([text for i in row for text in captions[i]]) for row in nearest]


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
    return normalised


def _most_agreed(candidates: list[str]) -> str:
    """The one whose runs of one to four words are most like the others'."""
    words = [tokenise(text) for text in candidates]
    agreement = np.zeros(len(candidates))
    for order in range(1, 5):
        counts = [count_grams(caption, order) for caption in words]
        numbers = {gram: i for i, gram in enumerate({g for count in counts for g in count})}
        vectors = np.zeros((len(words), max(1, len(numbers))), np.float32)
        for row, count in zip(vectors, counts, strict=True):
            for gram, times in count.items():
                row[numbers[gram]] = times
        # What all say tells little.
        shown = np.maximum((vectors > 0).sum(0), 1)
        vectors = _normalised(vectors * np.log(1 + len(words) / shown))
        agreement += (vectors @ vectors.T).sum(1)
    return candidates[int(agreement.argmax())]
