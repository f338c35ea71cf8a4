"""N-gram metrics of captions: BLEU, ROUGE-L and CIDEr-D, with the results of pycocoevalcap.

Captions are lists of words; see `visus.vision.vocabulary.tokenise`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = Sequence[str]
Ngrams = Counter[tuple[str, ...]]

_ORDERS = 4


def count_ngrams(words: Words, order: int) -> Ngrams:
    """The number of occurrences of each n-gram of `order` words."""
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 of a corpus.

    Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; the
    brevity penalty uses the reference of the closest length.

    Args:
        captions: One for each image.
        references: Reference captions of each image, at least one.

    Returns:
        Four metrics, 0 to 1.
    """
    hits, guesses = np.zeros(_ORDERS), np.zeros(_ORDERS)
    length = reference_length = 0
    for caption, known in zip(captions, references, strict=True):
        length += len(caption)
        reference_length += min((abs(len(r) - len(caption)), len(r)) for r in known)[1]
        for order in range(1, _ORDERS + 1):
            maximum: Ngrams = Counter()
            for reference in known:
                maximum |= count_ngrams(reference, order)
            own = count_ngrams(caption, order)
            hits[order - 1] += sum((own & maximum).values())
            guesses[order - 1] += max(0, len(caption) - order + 1)
    brevity = (
        1.0 if length > reference_length else math.exp(1 - reference_length / max(length, 1e-9))
    )
    # The constants reproduce the reference implementation where there is no hit.
    products = np.cumprod((hits + 1e-15) / (guesses + 1e-9))
    return [float(brevity * product ** (1 / (i + 1))) for i, product in enumerate(products)]


def rouge_l(caption: Words, references: Sequence[Words]) -> float:
    """ROUGE-L of one caption: F-measure of the longest common subsequence, weighted to recall.

    Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".

    Args:
        caption: The caption of an image.
        references: Reference captions of it, at least one.

    Returns:
        0 to 1.
    """
    if not caption:
        return 0.0
    common = [_longest_common(caption, reference) for reference in references]
    precision = max(common) / len(caption)
    recalls = (c / len(r) for c, r in zip(common, references, strict=True) if r)
    recall = max(recalls, default=0.0)
    beta = 1.2**2
    if not precision or not recall:
        return 0.0
    return (1 + beta) * precision * recall / (recall + beta * precision)


def _longest_common(first: Words, second: Words) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for j, other in enumerate(second):
            above = best[j + 1]
            best[j + 1] = diagonal + 1 if word == other else max(above, best[j])
            diagonal = above
    return best[-1]


@dataclass(frozen=True)
class _Vectors:
    """Tf-idf vectors of a caption, one an n-gram order, and their norms."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    words: int


class CiderD:
    """CIDEr-D: cosine similarity of tf-idf-weighted n-grams.

    Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation".

    Args:
        references: Reference captions of each image; they give the document frequencies.
    """

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        self._documents: Ngrams = Counter()
        for known in references:
            self._documents.update(
                {g for r in known for order in _EACH_ORDER for g in count_ngrams(r, order)}
            )
        self._log_count = math.log(max(1, len(references)))
        self._references = [[self._vectors(r) for r in known] for known in references]

    def score(self, image: int, caption: Words) -> float:
        """CIDEr-D of one caption, 0 to 10.

        Args:
            image: Index of the image in `references`.
            caption: The words of the caption.
        """
        own = self._vectors(caption)
        total = 0.0
        for reference in self._references[image]:
            penalty = math.exp(-((own.words - reference.words) ** 2) / (2 * 6.0**2))
            for order in range(_ORDERS):
                total += penalty * _similarity(own, reference, order)
        return 10.0 * total / _ORDERS / len(self._references[image])

    def _vectors(self, words: Words) -> _Vectors:
        weights = []
        for order in _EACH_ORDER:
            counts = count_ngrams(words, order)
            weights.append(
                {
                    ngram: count * (self._log_count - math.log(max(1, self._documents[ngram])))
                    for ngram, count in counts.items()
                }
            )
        norms = tuple(math.sqrt(sum(value**2 for value in vector.values())) for vector in weights)
        # The reference implementation measures lengths in bigrams.
        return _Vectors(tuple(weights), norms, max(0, len(words) - 1))


_EACH_ORDER = range(1, _ORDERS + 1)


def _similarity(own: _Vectors, reference: _Vectors, order: int) -> float:
    """The clipped cosine similarity of two vectors."""
    norm = own.norms[order] * reference.norms[order]
    if not norm:
        return 0.0
    known = reference.weights[order]
    shared = ((known[g], value) for g, value in own.weights[order].items() if g in known)
    return sum(min(value, expected) * expected for expected, value in shared) / norm


def paired_bootstrap(
    first: NDArray[np.float64], second: NDArray[np.float64], rounds: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % confidence interval of the mean difference `first - second`.

    Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation".

    Args:
        first: The score of each image by one method.
        second: The scores of the same images by another.
        rounds: Number of resamplings.
        seed: Seed of the resampling.
    """
    difference = np.asarray(first) - np.asarray(second)
    rng = np.random.default_rng(seed)
    # One round after the other: those of a large data set together would fill the memory.
    means = [
        difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(rounds)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
