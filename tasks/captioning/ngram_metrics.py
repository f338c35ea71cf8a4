"""How well captions agree with people's: BLEU, ROUGE-L and CIDEr-D, as pycocoevalcap counts them.

All take captions as words, see `visus.vision.vocabulary.tokenise`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = Sequence[str]
Grams = Counter[tuple[str, ...]]

_ORDERS = 4


def count_grams(words: Words, order: int) -> Grams:
    """How often each run of `order` words occurs."""
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 of all captions together.

    Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation", with
    the reference of the nearest length for the brevity penalty.

    Args:
        captions: One for each image.
        references: People's captions of each image, one at least.

    Returns:
        Four figures, 0 to 1.
    """
    hits, guesses = np.zeros(_ORDERS), np.zeros(_ORDERS)
    written = wanted = 0
    for caption, known in zip(captions, references, strict=True):
        written += len(caption)
        wanted += min((abs(len(r) - len(caption)), len(r)) for r in known)[1]
        for order in range(1, _ORDERS + 1):
            most: Grams = Counter()
            for reference in known:
                most |= count_grams(reference, order)
            own = count_grams(caption, order)
            hits[order - 1] += sum((own & most).values())
            guesses[order - 1] += max(0, len(caption) - order + 1)
    brevity = 1.0 if written > wanted else math.exp(1 - wanted / max(written, 1e-9))
    # The constants keep the reference's figures where there is no hit at all.
    shares = np.cumprod((hits + 1e-15) / (guesses + 1e-9))
    return [float(brevity * share ** (1 / (i + 1))) for i, share in enumerate(shares)]


def rouge_l(caption: Words, references: Sequence[Words]) -> float:
    """ROUGE-L of one caption: the longest common subsequence, recall counting more.

    Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".

    Args:
        caption: Of an image.
        references: People's captions of it, one at least.

    Returns:
        0 to 1.
    """
    if not caption:
        return 0.0
    common = [_longest_common(caption, reference) for reference in references]
    precision = max(common) / len(caption)
    shares = (c / len(r) for c, r in zip(common, references, strict=True) if r)
    recall = max(shares, default=0.0)
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
    """A caption's weighted runs of words, by their length, and the length of each such vector."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    words: int


class CiderD:
    """CIDEr-D: agreement in the runs of words that few images share.

    Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation".

    Args:
        references: People's captions of each image of a set, which tell how rare a run is.
    """

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        self._documents: Grams = Counter()
        for known in references:
            self._documents.update(
                {g for r in known for order in _EACH_ORDER for g in count_grams(r, order)}
            )
        self._log_count = math.log(max(1, len(references)))
        self._references = [[self._vectors(r) for r in known] for known in references]

    def score(self, image: int, caption: Words) -> float:
        """Of one caption, 0 to 10.

        Args:
            image: Number of the image among `references`.
            caption: Its words.
        """
        own = self._vectors(caption)
        total = 0.0
        for reference in self._references[image]:
            penalty = math.exp(-((own.words - reference.words) ** 2) / (2 * 6.0**2))
            for order in range(_ORDERS):
                total += penalty * _agreement(own, reference, order)
        return 10.0 * total / _ORDERS / len(self._references[image])

    def _vectors(self, words: Words) -> _Vectors:
        weights = []
        for order in _EACH_ORDER:
            counts = count_grams(words, order)
            weights.append(
                {
                    gram: count * (self._log_count - math.log(max(1, self._documents[gram])))
                    for gram, count in counts.items()
                }
            )
        norms = tuple(math.sqrt(sum(value**2 for value in vector.values())) for vector in weights)
        # The reference implementation measures lengths in pairs of words.
        return _Vectors(tuple(weights), norms, max(0, len(words) - 1))


_EACH_ORDER = range(1, _ORDERS + 1)


def _agreement(own: _Vectors, reference: _Vectors, order: int) -> float:
    """The clipped cosine of two vectors."""
    norm = own.norms[order] * reference.norms[order]
    if not norm:
        return 0.0
    known = reference.weights[order]
    shared = ((known[g], value) for g, value in own.weights[order].items() if g in known)
    return sum(min(value, expected) * expected for expected, value in shared) / norm


def paired_bootstrap(
    first: NDArray[np.float64], second: NDArray[np.float64], rounds: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean by which `first` exceeds `second`.

    Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation".

    Args:
        first: A figure for each image.
        second: Another's for the same images.
        rounds: How many times images are drawn.
        seed: Chooses them.
    """
    difference = np.asarray(first) - np.asarray(second)
    drawn = np.random.default_rng(seed).integers(0, len(difference), (rounds, len(difference)))
    low, high = np.quantile(difference[drawn].mean(1), [0.025, 0.975])
    return float(low), float(high)
