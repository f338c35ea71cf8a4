"""Captions without a language model: the consensus of the captions of similar images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visus.tasks.captioning.ngram_metrics import count_ngrams
from visus.vision.vocabulary import tokenise


def consensus_captions(
    features: NDArray[np.float32],
    known: NDArray[np.float32],
    captions: Sequence[Sequence[str]],
    neighbours: int = 20,
) -> list[str]:
    """For each image, the caption of its nearest neighbours that agrees best with the others.

    Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning".

    Args:
        features: Features of each image, (images, channels).
        known: Features of the images with known captions, (known images, channels).
        captions: The captions of each known image.
        neighbours: Number of nearest neighbours, by cosine similarity.
    """
    similarity = _normalised(features) @ _normalised(known).T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :neighbours]
    return [_most_similar([text for i in row for text in captions[i]]) for row in nearest]


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
    return normalised


def _most_similar(candidates: list[str]) -> str:
    """The candidate with the highest mean similarity to all, by tf-idf of 1- to 4-grams."""
    words = [tokenise(text) for text in candidates]
    agreement = np.zeros(len(candidates))
    for order in range(1, 5):
        counts = [count_ngrams(caption, order) for caption in words]
        columns = {ngram: i for i, ngram in enumerate({g for count in counts for g in count})}
        vectors = np.zeros((len(words), max(1, len(columns))), np.float32)
        for row, count in zip(vectors, counts, strict=True):
            for ngram, times in count.items():
                row[columns[ngram]] = times
        # Inverse document frequency: an n-gram in every caption distinguishes none.
        occurrences = np.maximum((vectors > 0).sum(0), 1)
        vectors = _normalised(vectors * np.log(1 + len(words) / occurrences))
        agreement += (vectors @ vectors.T).sum(1)
    return candidates[int(agreement.argmax())]
