import numpy as np
import pytest

from visus.tasks.face_recognition.metrics import (
    VerificationMetrics,
    equal_error_rate,
    fold_accuracy,
    roc,
    threshold_at,
    true_accepts_at,
)
from visus.vision.errors import VisusError
from visus.vision.truth import FacePair

SIMILARITIES = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1], np.float32)
SAME = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)


def test_rates_by_hand():
    # Sorted: 0.9+ 0.8+ 0.7- 0.6+ 0.4- 0.3+ 0.2- 0.1-
    false_accepts, true_accepts = roc(SIMILARITIES, SAME)
    assert false_accepts.tolist() == [0, 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 1]
    assert true_accepts.tolist() == [0, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1, 1]
    assert equal_error_rate(false_accepts, true_accepts) == 0.25
    assert true_accepts_at(SIMILARITIES, SAME, 0.0) == 0.5
    assert true_accepts_at(SIMILARITIES, SAME, 0.25) == 0.75
    assert true_accepts_at(SIMILARITIES, SAME, 1.0) == 1


def test_no_threshold_separates_equal_similarities():
    false_accepts, true_accepts = roc(np.array([0.5, 0.5], np.float32), np.array([True, False]))
    assert false_accepts.tolist() == true_accepts.tolist() == [0, 1]
    assert true_accepts_at(np.array([0.5, 0.5], np.float32), np.array([True, False]), 0.5) == 0


@pytest.mark.parametrize("far", [0.1, 0.01, 0.001])
def test_a_threshold_has_its_rate_and_is_the_lowest(far):
    impostors = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    threshold = threshold_at(impostors, far)
    assert (impostors >= threshold).mean() == pytest.approx(far)


def test_the_threshold_of_a_fold_is_chosen_on_the_others():
    # In fold 0 the best threshold is 0.5; that of fold 1 would be 0.95.
    similarities = np.array([0.9, 0.1, 0.9, 1.0], np.float32)
    same = np.array([True, False, False, True])
    accuracy = fold_accuracy(similarities, same, np.array([0, 0, 1, 1]))
    assert accuracy.tolist() == [0.5, 0.5]
    assert fold_accuracy(similarities[2:], same[2:], np.zeros(2, int)).tolist() == [1.0]


def metrics(pairs=()):
    collected = VerificationMetrics(pairs=pairs)
    for i, person in enumerate("aabb"):
        vector = np.zeros(4, np.float32)
        vector["ab".index(person)] = 1
        collected.add(f"{person}{i}", person, vector)
    return collected


PAIRS = [FacePair("a0", "a1", True, 0), FacePair("a0", "b2", False, 0),
         FacePair("b2", "b3", True, 1), FacePair("a1", "b3", False, 1)]  # fmt: skip


def test_perfect_embeddings_have_perfect_metrics():
    result = metrics(PAIRS).compute()
    assert result.pairs == tuple(PAIRS)
    assert result.metrics == {
        "verification_accuracy": 1.0,
        "verification_accuracy_spread": 0.0,
        "eer": 0.0,
        "tar_at_far_1e-2": 1.0,
        "tar_at_far_1e-3": 1.0,
    }
    assert metrics().impostor_pairs() == 4


def test_pairs_with_an_image_without_a_face_count_as_wrong():
    collected = metrics(PAIRS)
    collected.records[0] = ("a0", "a", None)
    result = collected.compute()
    assert result.similarities.tolist() == [-1, 1, 1, 0]
    assert result.metrics["verification_accuracy"] < 1


def test_verification_without_both_kinds_of_pairs_is_refused():
    with pytest.raises(VisusError, match="2 pairs of one person and 0 of two"):
        metrics([pair for pair in PAIRS if pair.same]).compute()
    with pytest.raises(VisusError, match="c9: is in a pair, but was not embedded"):
        metrics([*PAIRS, FacePair("a0", "c9", False, 1)]).compute()
    alone = VerificationMetrics([("a0", "a", np.ones(4, np.float32))])
    with pytest.raises(VisusError, match="fewer than two people show a face"):
        alone.impostor_threshold(0.1)


@pytest.mark.parametrize("far", [1e-3, 0.02, 0.5, 1.0])
def test_the_threshold_of_all_pairs_is_that_of_their_sorted_similarities(far, monkeypatch):
    monkeypatch.setattr("visus.tasks.face_recognition.metrics._BLOCK", 7)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = [str(i % 11) for i in range(60)]
    collected = VerificationMetrics(
        [(str(i), person, vectors[i]) for i, person in enumerate(people)]
    )
    pairs = [(i, j) for i in range(60) for j in range(i) if people[i] != people[j]]
    assert collected.impostor_pairs() == len(pairs)
    similarities = np.array([vectors[i] @ vectors[j] for i, j in pairs], np.float32)
    expected = threshold_at(similarities, far)
    assert collected.impostor_threshold(far) == pytest.approx(expected, abs=1e-6)
