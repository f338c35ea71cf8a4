"""How well the confidence of a classifier agrees with its accuracy, and temperature scaling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from visus.tasks.assessment import Floats, LabelScores
from visus.tasks.class_metrics import LEAST_SCORE, calibration_bins


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence and accuracy in bins of equal width.

    Attributes:
        confidence: Mean confidence of each bin with samples, shape (bins,).
        accuracy: Fraction of right answers of each, shape (bins,).
        counts: Number of answers of each, shape (bins,).
        error: Expected calibration error, 0 to 1 (Guo et al. 2017, arXiv:1706.04599).
    """

    confidence: Floats
    accuracy: Floats
    counts: Floats
    error: float


def measure_calibration(confidence: Floats, right: NDArray[np.bool_]) -> Calibration:
    """The calibration of answers.

    Args:
        confidence: Of each answer, shape (answers,), 0 to 1.
        right: Whether it is right, shape (answers,).
    """
    counts, sums, hits = calibration_bins(confidence, right)
    used = counts > 0
    gap = float(np.abs(sums - hits).sum() / max(1, len(confidence)))
    return Calibration(sums[used] / counts[used], hits[used] / counts[used], counts[used], gap)


def scale_scores(scored: LabelScores, temperature: float) -> LabelScores:
    """The scores after division of the logits by a temperature."""
    scores = scored.scores.astype(np.float64).clip(LEAST_SCORE, 1)
    if scored.multi_label:
        logits = np.log(scores) - np.log((1 - scores).clip(LEAST_SCORE))
        scaled = 1 / (1 + np.exp(-logits / temperature))
    else:
        powers = np.exp(np.log(scores) / temperature)
        scaled = powers / powers.sum(1, keepdims=True)
    return LabelScores(scaled.astype(np.float32), scored.labels, scored.class_names)


def fit_temperature(scored: LabelScores) -> float:
    """The temperature of the least negative log-likelihood (Guo et al. 2017).

    As in Platt 1999, "Probabilistic Outputs for Support Vector Machines", the targets are not 0 and
    1 but as certain as so many samples allow: otherwise samples that are all right would make the
    scores infinitely confident.

    Args:
        scored: Of samples that the network was not trained on.

    Returns:
        From 0.05 to 20; above 1 where the scores are too confident.
    """
    doubt = 1 / (len(scored.labels) + 2)
    if scored.multi_label:
        present = scored.labels > 0
    else:
        present = np.eye(scored.scores.shape[1], dtype=bool)[scored.labels]
    others = max(1, scored.scores.shape[1] - 1)
    targets = np.where(present, 1 - doubt, doubt if scored.multi_label else doubt / others)

    def loss(exponent: float) -> float:
        scores = scale_scores(scored, float(np.exp(exponent))).scores.astype(np.float64)
        terms = targets * np.log(scores.clip(LEAST_SCORE))
        if scored.multi_label:
            terms += (1 - targets) * np.log((1 - scores).clip(LEAST_SCORE))
        return float(-terms.sum(1).mean())

    bounds = (float(np.log(0.05)), float(np.log(20.0)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
