"""The evaluated pairs of face images."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import (
    Assessment,
    Curves,
    Explainable,
    Floats,
    Indices,
    MetricTable,
    ReadImage,
)
from visus.tasks.face_recognition.metrics import (
    VerificationMetrics,
    VerificationResult,
    equal_error_rate,
    fold_accuracy,
    roc,
    true_accepts_at,
)
from visus.vision.images import Pixels, visible
from visus.vision.sampling import evenly_spaced
from visus.vision.truth import FacePair

Embed = Callable[[list[Pixels]], NDArray[np.float32]]


class VerificationAssessment(Assessment):
    """Pairs of images with their similarities.

    Args:
        result: Of all pairs.
        embed: From aligned faces, uint8 of shape (height, width, 3), to their embeddings of unit
            length, of shape (faces, size).
    """

    main = "verification_accuracy"
    unit = "pairs"
    quality_name = "margin of the right answer"

    def __init__(self, result: VerificationResult, embed: Embed) -> None:
        self.result = result
        self.embed = embed
        self.same = np.array([pair.same for pair in result.pairs], bool)
        self.folds = np.array([pair.fold for pair in result.pairs])
        self.sources = [f"{pair.first} and {pair.second}" for pair in result.pairs]

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`; those that need both kinds of pairs are NaN without."""
        if chosen is None:
            return self.result.metrics
        similarities, same = self.result.similarities[chosen], self.same[chosen]
        if not same.any() or same.all():
            return dict.fromkeys(("verification_accuracy", "eer", "tar_at_far_1e-2"), float("nan"))
        accuracy = fold_accuracy(similarities, same, self.folds[chosen])
        return {
            "verification_accuracy": float(accuracy.mean()),
            "eer": equal_error_rate(*roc(similarities, same)),
            "tar_at_far_1e-2": true_accepts_at(similarities, same, 1e-2),
        }

    @cached_property
    def quality(self) -> Floats:
        """0.5 for a similarity at the equal-error threshold, more for a right answer."""
        return np.asarray((0.5 + self._margins / 2).clip(0, 1), np.float64)

    @property
    def confident_errors(self) -> Floats:
        """How far on the wrong side of the threshold a similarity is."""
        return np.asarray((-self._margins).clip(0, 1), np.float64)

    def describe(self, index: int) -> tuple[str, str]:
        """See `Assessment.describe`."""
        similarity = float(self.result.similarities[index])
        said = "one person" if similarity >= self._threshold else "two people"
        true = "one person" if self.same[index] else "two people"
        return true, f"{said}, similarity {similarity:.2f}"

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        pair = self.result.pairs[index]
        return [(Path(name).stem, visible(read_image(name))) for name in (pair.first, pair.second)]

    def explainable(self, index: int, read_image: ReadImage) -> Explainable:
        """Which parts of the first face make it similar to the second."""
        pair = self.result.pairs[index]
        other = self.embed([read_image(pair.second)])[0]

        def scores(images: list[Pixels]) -> Floats:
            return np.asarray(self.embed(images) @ other, np.float64)[:, None]

        return Explainable(read_image(pair.first), [f"like {Path(pair.second).stem}"], scores)

    def class_table(self) -> MetricTable:
        """The accuracy of each fold."""
        folds = np.unique(self.folds)
        named = zip(folds, self.result.fold_accuracy, strict=True)
        rows = tuple((str(k), (float(a), float((self.folds == k).sum()))) for k, a in named)
        return MetricTable(("fold", "accuracy", "pairs"), rows)

    def plots(self) -> list[Curves]:  # type: ignore[override]
        """See `Assessment.plots`."""
        accepts = (self.result.false_accepts, self.result.true_accepts)
        return [Curves("ROC", "false accepts", "true accepts", {"this model": accepts}, True)]

    def subset(self, count: int) -> list[str]:
        """Names of the images of evenly spaced pairs, at most `count`."""
        pairs = evenly_spaced(self.result.pairs, max(2, count // 2))
        return list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))

    @cached_property
    def _threshold(self) -> float:
        """The similarity at which false accepts equal false rejects."""
        similarities = self.result.similarities
        candidates = np.sort(similarities)
        above = similarities[self.same]
        below = similarities[~self.same]
        rejects = np.searchsorted(np.sort(above), candidates) / max(1, len(above))
        accepts = 1 - np.searchsorted(np.sort(below), candidates) / max(1, len(below))
        return float(candidates[np.abs(rejects - accepts).argmin()])

    @cached_property
    def _margins(self) -> Floats:
        margins = self.result.similarities.astype(np.float64) - self._threshold
        return np.where(self.same, margins, -margins)


def assess_pairs(
    metrics: VerificationMetrics, pairs: Sequence[FacePair], embed: Embed
) -> VerificationAssessment:
    """The pairs whose images were both embedded.

    Args:
        metrics: With the images of a split, or of a part of it.
        pairs: Of the split.
        embed: See `VerificationAssessment`.

    Raises:
        VisusError: If there are no pairs of both kinds.
    """
    names = {source for source, _, _ in metrics.records}
    metrics.pairs = [pair for pair in pairs if pair.first in names and pair.second in names]
    return VerificationAssessment(metrics.compute(), embed)
