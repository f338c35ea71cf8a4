"""How well embeddings tell people apart: accuracy over folds, ROC, and rates at fixed errors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError
from visus.vision.truth import FacePair

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """What was measured.

    Attributes:
        figures: By name: `verification_accuracy` (the threshold of each fold chosen on the
            others), its standard deviation over the folds, `eer`, `tar_at_far_1e-2` of the pairs,
            `tar_at_far_1e-3` with the threshold from all pairs of different people.
        fold_accuracy: Of each fold, shape (folds,).
        false_accepts: Of the ROC, shape (points,), rising.
        true_accepts: Of the ROC, shape (points,).
        similarities: Of each pair, shape (pairs,); -1 where an image shows no face.
        threshold: The similarity that false accepts of 1e-3 need.
    """

    figures: dict[str, float]
    fold_accuracy: NDArray[np.float64]
    false_accepts: NDArray[np.float64]
    true_accepts: NDArray[np.float64]
    similarities: Floats
    threshold: float


@dataclass
class VerificationMetrics:
    """Collects embeddings by image, and compares pairs of them.

    Attributes:
        records: Name of the image, whose face it shows, and its embedding of length one, or None
            where no face was found.
    """

    records: list[tuple[str, str, Floats | None]] = field(default_factory=list)

    def add(self, source: str, person: str, embedding: Floats | None) -> None:
        """Keep one."""
        self.records.append((source, person, embedding))

    def compute(self, pairs: Sequence[FacePair]) -> VerificationResult:
        """Compare the pairs; those with an image without a face count as wrong.

        Raises:
            VisusError: If there are no pairs of both kinds, or an image is missing.
        """
        by_name = {source: embedding for source, _, embedding in self.records}
        same = np.array([pair.same for pair in pairs], bool)
        if not same.any() or same.all():
            raise VisusError(
                f"{int(same.sum())} pairs of one person and {int((~same).sum())} of two: "
                "verification needs both"
            )
        missing = [n for pair in pairs for n in (pair.first, pair.second) if n not in by_name]
        if missing:
            raise VisusError(f"{missing[0]}: a pair names it, and it was not embedded")
        folds = np.array([pair.fold for pair in pairs])
        similarities = np.empty(len(pairs), np.float32)
        for i, pair in enumerate(pairs):
            a, b = by_name[pair.first], by_name[pair.second]
            # Without a face an answer is wrong either way.
            wrong = -1.0 if pair.same else 1.0
            similarities[i] = wrong if a is None or b is None else float(a @ b)
        accuracy = fold_accuracy(similarities, same, folds)
        false_accepts, true_accepts = roc(similarities, same)
        threshold = threshold_at(self.strangers(), 1e-3)
        spread = float(accuracy.std(ddof=1)) if len(accuracy) > 1 else 0.0
        figures = {
            "verification_accuracy": float(accuracy.mean()),
            "verification_accuracy_spread": spread,
            "eer": equal_error_rate(false_accepts, true_accepts),
            "tar_at_far_1e-2": true_accepts_at(similarities, same, 1e-2),
            "tar_at_far_1e-3": float((similarities[same] >= threshold).mean()),
        }
        return VerificationResult(
            figures, accuracy, false_accepts, true_accepts, similarities, threshold
        )

    def strangers(self) -> Floats:
        """The similarities of all pairs of different people, in no order.

        Raises:
            VisusError: If there are none.
        """
        embedded = [(person, e) for _, person, e in self.records if e is not None]
        people = np.unique([person for person, _ in embedded], return_inverse=True)[1]
        if len(set(people)) < 2:
            raise VisusError("fewer than two people show a face; there is nobody to confuse")
        vectors = np.stack([e for _, e in embedded])
        found = [
            (vectors[i + 1 :] @ vectors[i])[people[i + 1 :] != people[i]]
            for i in range(len(vectors))
        ]
        return np.concatenate(found).astype(np.float32)


def fold_accuracy(
    similarities: Floats, same: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.float64]:
    """The accuracy of each fold at the threshold that is best on the other folds.

    With a single fold the threshold is chosen on the fold itself.

    Args:
        similarities: Shape (pairs,).
        same: Shape (pairs,).
        folds: Shape (pairs,).
    """
    numbers = np.unique(folds)
    results = []
    for number in numbers:
        inside = folds == number
        chosen = inside if len(numbers) == 1 else ~inside
        threshold = _best_threshold(similarities[chosen], same[chosen])
        results.append(((similarities[inside] >= threshold) == same[inside]).mean())
    return np.array(results)


def _best_threshold(similarities: Floats, same: NDArray[np.bool_]) -> float:
    order = np.argsort(similarities)
    values, truth = similarities[order], same[order]
    # Cutting below the i-th: all before are told apart, all from there on are told the same.
    right = np.concatenate([[0], np.cumsum(~truth)]) + truth.sum()
    right[1:] -= np.cumsum(truth)
    cuts = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
    # Of equally good cuts the middle one.
    best = np.flatnonzero(right == right.max())
    return float(cuts[best[len(best) // 2]])


def roc(
    similarities: Floats, same: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False-accept and true-accept rates from the strictest threshold to the loosest."""
    order = np.argsort(-similarities, kind="stable")
    values, truth = similarities[order], same[order]
    # Equal similarities cannot be cut between.
    last = np.append(values[1:] != values[:-1], True)
    true_accepts = np.cumsum(truth)[last] / max(1, truth.sum())
    false_accepts = np.cumsum(~truth)[last] / max(1, (~truth).sum())
    return np.append(0.0, false_accepts), np.append(0.0, true_accepts)


def equal_error_rate(
    false_accepts: NDArray[np.float64], true_accepts: NDArray[np.float64]
) -> float:
    """Where as many are falsely accepted as falsely refused, a share from 0 to 1."""
    gap = false_accepts - (1 - true_accepts)
    i = int(np.argmax(gap >= 0))
    if i == 0:
        return float(false_accepts[0])
    share = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(false_accepts[i - 1] + share * (false_accepts[i] - false_accepts[i - 1]))


def true_accepts_at(similarities: Floats, same: NDArray[np.bool_], far: float) -> float:
    """The share of equal pairs accepted where at most that share of unequal ones is."""
    threshold = threshold_at(similarities[~same], far)
    return float((similarities[same] >= threshold).mean())


def threshold_at(strangers: Floats, far: float) -> float:
    """The lowest similarity from which on at most a share of these pairs is accepted.

    Args:
        strangers: Similarities of pairs of different people, shape (pairs,).
        far: The share, 0 to 1.
    """
    ordered = np.sort(strangers)[::-1]
    allowed = int(far * len(ordered))
    if allowed >= len(ordered):
        return -1.0
    # Just above the first that must not be accepted.
    return float(np.nextafter(ordered[allowed], np.float32(np.inf)))
