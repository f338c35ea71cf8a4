"""Verification metrics: accuracy over folds, ROC, and true-accept rates at false-accept rates."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError
from visus.vision.truth import FacePair

Floats = NDArray[np.float32]

METRIC_NAMES = (
    *("verification_accuracy", "verification_accuracy_spread", "eer"),
    *("tar_at_far_1e-2", "tar_at_far_1e-3"),
)
"""Names of the metrics, see `VerificationResult`."""

_FAR = 1e-3
"""False-accept rate of `VerificationResult.threshold`."""

_BLOCK = 256
"""Images that are compared with all others at once."""


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """The result of one evaluation.

    Attributes:
        metrics: `verification_accuracy` (the threshold of each fold chosen on the others),
            `verification_accuracy_spread` (its standard deviation over the folds), `eer`,
            `tar_at_far_1e-2` of the pairs, and `tar_at_far_1e-3` with the threshold from all pairs
            of different people.
        pairs: The pairs that were compared.
        fold_accuracy: Accuracy of each fold, shape (folds,).
        false_accepts: False-accept rates of the ROC, shape (points,), increasing.
        true_accepts: True-accept rates of the ROC, shape (points,).
        similarities: Of each pair, shape (pairs,); wrong in any case, -1 or 1, where an image has
            no embedding.
        threshold: The similarity at which 1e-3 of the pairs of different people are accepted.
    """

    metrics: dict[str, float]
    pairs: tuple[FacePair, ...]
    fold_accuracy: NDArray[np.float64]
    false_accepts: NDArray[np.float64]
    true_accepts: NDArray[np.float64]
    similarities: Floats
    threshold: float


@dataclass
class VerificationMetrics:
    """Accumulates embeddings by image, and compares pairs of them.

    Attributes:
        records: Name of the image, name of the person, and the embedding of unit length, or None
            where no face was detected.
        pairs: The pairs to compare.
    """

    records: list[tuple[str, str, Floats | None]] = field(default_factory=list)
    pairs: Sequence[FacePair] = ()

    def add(self, source: str, person: str, embedding: Floats | None) -> None:
        """Add one image."""
        self.records.append((source, person, embedding))

    def compute(self) -> VerificationResult:
        """Compare the pairs; those with an image without an embedding count as wrong.

        Raises:
            VisusError: If there are no pairs of both kinds, or an image is missing.
        """
        by_name = {source: embedding for source, _, embedding in self.records}
        same = np.array([pair.same for pair in self.pairs], bool)
        if not same.any() or same.all():
            raise VisusError(
                f"{int(same.sum())} pairs of one person and {int((~same).sum())} of two: "
                "verification needs both"
            )
        missing = [n for pair in self.pairs for n in (pair.first, pair.second) if n not in by_name]
        if missing:
            raise VisusError(f"{missing[0]}: is in a pair, but was not embedded")
        folds = np.array([pair.fold for pair in self.pairs])
        similarities = np.empty(len(self.pairs), np.float32)
        for i, pair in enumerate(self.pairs):
            a, b = by_name[pair.first], by_name[pair.second]
            # Without a face any answer is wrong.
            wrong = -1.0 if pair.same else 1.0
            similarities[i] = wrong if a is None or b is None else float(a @ b)
        accuracy = fold_accuracy(similarities, same, folds)
        false_accepts, true_accepts = roc(similarities, same)
        threshold = self.impostor_threshold(_FAR)
        spread = float(accuracy.std(ddof=1)) if len(accuracy) > 1 else 0.0
        metrics = {
            "verification_accuracy": float(accuracy.mean()),
            "verification_accuracy_spread": spread,
            "eer": equal_error_rate(false_accepts, true_accepts),
            "tar_at_far_1e-2": true_accepts_at(similarities, same, 1e-2),
            "tar_at_far_1e-3": float((similarities[same] >= threshold).mean()),
        }
        return VerificationResult(
            metrics,
            tuple(self.pairs),
            accuracy,
            false_accepts,
            true_accepts,
            similarities,
            threshold,
        )

    def impostor_threshold(self, far: float) -> float:
        """The lowest threshold that does not exceed a false-accept rate among `impostor_pairs`.

        Args:
            far: The false-accept rate, 0 to 1.

        Raises:
            VisusError: If there are no such pairs.
        """
        pairs = self.impostor_pairs()
        if not pairs:
            raise VisusError(
                "fewer than two people show a face; verification needs pairs of different people"
            )
        # Only the largest similarities count; those of all pairs would fill the memory.
        kept = int(far * pairs) + 1
        largest = np.zeros(0, np.float32)
        for block in self._impostor_similarities():
            if len(largest) == kept:
                block = block[block > largest.min()]
            largest = np.append(largest, block)
            if len(largest) > kept:
                largest = np.partition(largest, -kept)[-kept:]
        return -1.0 if kept > pairs else _just_above(largest.min())

    def impostor_pairs(self) -> int:
        """Number of pairs of images of different people that show a face."""
        counts = np.array(list(Counter(p for _, p, e in self.records if e is not None).values()))
        return int(counts.sum() ** 2 - (counts**2).sum()) // 2

    def _impostor_similarities(self) -> Iterator[Floats]:
        """The similarities of these pairs, unordered, in parts."""
        embedded = [(person, e) for _, person, e in self.records if e is not None]
        people = np.unique([person for person, _ in embedded], return_inverse=True)[1]
        vectors = np.stack([e for _, e in embedded]).astype(np.float32)
        for start in range(0, len(vectors), _BLOCK):
            rows = slice(start, start + _BLOCK)
            similarities = vectors[rows] @ vectors[start:].T
            different = people[rows, None] != people[None, start:]
            yield similarities[np.triu(different, 1)]


def fold_accuracy(
    similarities: Floats, same: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.float64]:
    """The accuracy of each fold at the threshold that is best on the other folds.

    With a single fold the threshold is chosen on the fold itself.

    Args:
        similarities: Shape (pairs,).
        same: Whether a pair shows one person, shape (pairs,).
        folds: Fold of each pair, shape (pairs,).
    """
    unique = np.unique(folds)
    results = []
    for fold in unique:
        inside = folds == fold
        chosen = inside if len(unique) == 1 else ~inside
        threshold = _best_threshold(similarities[chosen], same[chosen])
        results.append(((similarities[inside] >= threshold) == same[inside]).mean())
    return np.array(results)


def _best_threshold(similarities: Floats, same: NDArray[np.bool_]) -> float:
    order = np.argsort(similarities)
    values, truth = similarities[order], same[order]
    # With a cut below the i-th value all before are rejected, all from there on accepted.
    right = np.concatenate([[0], np.cumsum(~truth)]) + truth.sum()
    right[1:] -= np.cumsum(truth)
    cuts = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
    # The median of equally good cuts.
    best = np.flatnonzero(right == right.max())
    return float(cuts[best[len(best) // 2]])


def roc(
    similarities: Floats, same: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False-accept and true-accept rates by decreasing threshold.

    Args:
        similarities: Shape (pairs,).
        same: Whether a pair shows one person, shape (pairs,).
    """
    order = np.argsort(-similarities, kind="stable")
    values, truth = similarities[order], same[order]
    # No threshold separates equal similarities.
    last = np.append(values[1:] != values[:-1], True)
    true_accepts = np.cumsum(truth)[last] / max(1, truth.sum())
    false_accepts = np.cumsum(~truth)[last] / max(1, (~truth).sum())
    return np.append(0.0, false_accepts), np.append(0.0, true_accepts)


def equal_error_rate(
    false_accepts: NDArray[np.float64], true_accepts: NDArray[np.float64]
) -> float:
    """The rate at which false accepts equal false rejects, interpolated, 0 to 1.

    Args:
        false_accepts: Rates of the ROC, shape (points,), increasing.
        true_accepts: Rates of the ROC, shape (points,).
    """
    gap = false_accepts - (1 - true_accepts)
    i = int(np.argmax(gap >= 0))
    if i == 0:
        return float(false_accepts[0])
    weight = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(false_accepts[i - 1] + weight * (false_accepts[i] - false_accepts[i - 1]))


def true_accepts_at(similarities: Floats, same: NDArray[np.bool_], far: float) -> float:
    """The true-accept rate at a false-accept rate of the same pairs.

    Args:
        similarities: Shape (pairs,).
        same: Whether a pair shows one person, shape (pairs,).
        far: The false-accept rate that may not be exceeded, 0 to 1.
    """
    threshold = threshold_at(similarities[~same], far)
    return float((similarities[same] >= threshold).mean())


def threshold_at(impostors: Floats, far: float) -> float:
    """The lowest threshold that does not exceed a false-accept rate.

    Args:
        impostors: Similarities of pairs of different people, shape (pairs,).
        far: The false-accept rate, 0 to 1.
    """
    ordered = np.sort(impostors)[::-1]
    allowed = int(far * len(ordered))
    if allowed >= len(ordered):
        return -1.0
    return _just_above(ordered[allowed])


def _just_above(rejected: np.float32) -> float:
    """The threshold that rejects a similarity, and accepts the next larger one."""
    return float(np.nextafter(rejected, np.float32(np.inf)))
