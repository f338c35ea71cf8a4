"""Labels that look wrong, by confident learning."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_SAMPLES = 10
"""Fewest labelled samples; and a class of fewer than `_FOLDS` cannot be held out."""

_FOLDS = 5


@dataclass(frozen=True)
class LabelIssue:
    """A label that looks wrong.

    Attributes:
        source: Name of the image.
        label: Its label.
        suggested: The class that it looks like.
        score: Score of its label, 0 to 1, by a classifier that has not seen the image.
        likely: Whether confident learning counts the label as wrong.
    """

    source: str
    label: str
    suggested: str
    score: float
    likely: bool


def out_of_sample_scores(
    features: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Scores of each sample by a linear classifier that was fitted without it.

    Multinomial logistic regression on standardised features, in five folds. The network itself
    has learned the wrong labels of its training images, so that its scores confirm them.

    Args:
        features: Shape (samples, size).
        labels: Class ids of shape (samples,), each of at least two samples.

    Returns:
        Shape (samples, classes), columns in the order of `np.unique(labels)`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
    # A strong penalty: weights that fit every training sample would fit its wrong label, too.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-2, max_iter=500))
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    scores = cross_val_predict(model, features, labels, cv=splits, method="predict_proba")
    return np.asarray(scores, np.float64)


def rank_label_errors(
    scores: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The samples for which another class has the highest score, the most doubtful label first.

    Confident learning (Northcutt et al. 2021, arXiv:1911.00068) counts a label as likely wrong if
    another class has a score of at least the mean score of that class among the samples labelled
    with it.

    Args:
        scores: Out-of-sample scores of shape (samples, classes).
        labels: Column of each sample's label, shape (samples,).

    Returns:
        Indices of the samples, by ascending score of their label, and whether each label is likely
        wrong.
    """
    count = scores.shape[1]
    thresholds = np.array(
        [scores[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(count)]
    )
    own = scores[np.arange(len(labels)), labels]
    order = np.argsort(own, kind="stable")
    order = order[scores[order].argmax(1) != labels[order]]
    others = scores[order] >= thresholds
    others[np.arange(len(order)), labels[order]] = False
    return order, others.any(1)
