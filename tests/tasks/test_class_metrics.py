import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import (
    BinaryCalibrationError,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MultilabelAccuracy,
    MultilabelConfusionMatrix,
    MultilabelF1Score,
)

from visus.tasks.class_metrics import ClassificationMetrics


@st.composite
def evaluations(draw, multi_label):
    """Scores and labels in batches of one to nine, some classes absent, some scores 0 or 1."""
    classes = draw(st.integers(2, 9))
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = rng.permutation(classes)[: draw(st.integers(1, classes))]
    saturated = draw(st.sampled_from([0, 0.3, 1]))
    batches = []
    for size in sizes:
        if multi_label:
            scores = rng.random((size, classes))
            extreme = rng.random(scores.shape) < saturated
            scores[extreme] = rng.integers(0, 2, scores.shape)[extreme]
            labels = np.zeros((size, classes), int)
            labels[:, present] = rng.integers(0, 2, (size, len(present)))
        else:
            scores = rng.dirichlet(np.ones(classes), size)
            extreme = rng.random(size) < saturated
            scores[extreme] = np.eye(classes)[rng.integers(0, classes, size)][extreme]
            labels = rng.choice(present, size)
        batches.append((scores.astype(np.float32), labels, float(rng.random())))
    return classes, batches


def measure(classes, batches, multi_label):
    metrics = ClassificationMetrics(classes, multi_label)
    for batch in batches:
        metrics.update(*batch)
    return metrics


def agree(result, classes, batches, expected, confusion):
    for scores, labels, _ in batches:
        for metric in (*expected.values(), confusion):
            metric.update(torch.from_numpy(scores), torch.from_numpy(labels))
    for name, metric in expected.items():
        assert result.metrics[name] == pytest.approx(float(metric.compute()), abs=1e-6), name
    assert result.confusion.tolist() == confusion.compute().tolist()
    counts = [len(labels) for _, labels, _ in batches]
    loss = np.average([loss for _, _, loss in batches], weights=counts)
    assert result.metrics["loss"] == pytest.approx(loss, abs=1e-6)


@settings(max_examples=50)
@given(evaluations(multi_label=False))
def test_single_label_metrics_agree_with_torchmetrics(evaluation):
    classes, batches = evaluation
    expected = {
        "accuracy": MulticlassAccuracy(classes, average="micro"),
        "macro_f1": MulticlassF1Score(classes, average="macro"),
        "calibration_error": MulticlassCalibrationError(classes, n_bins=15),
    }
    result = measure(classes, batches, False).compute()
    agree(result, classes, batches, expected, MulticlassConfusionMatrix(classes))


@settings(max_examples=50)
@given(evaluations(multi_label=False).filter(lambda evaluation: evaluation[0] > 5))
def test_top5_accuracy_agrees_with_torchmetrics(evaluation):
    classes, batches = evaluation
    # torchmetrics leaves open which of equal scores belong to the top five.
    batches = [(s, y, loss) for s, y, loss in batches if all(len(set(row)) == classes for row in s)]
    if batches:
        expected = {"top5_accuracy": MulticlassAccuracy(classes, average="micro", top_k=5)}
        result = measure(classes, batches, False).compute()
        agree(result, classes, batches, expected, MulticlassConfusionMatrix(classes))


@settings(max_examples=50)
@given(evaluations(multi_label=True))
def test_multi_label_metrics_agree_with_torchmetrics(evaluation):
    classes, batches = evaluation
    expected = {
        "accuracy": MultilabelAccuracy(classes),
        "macro_f1": MultilabelF1Score(classes, average="macro"),
    }
    result = measure(classes, batches, True).compute()
    agree(result, classes, batches, expected, MultilabelConfusionMatrix(classes))
    calibration = BinaryCalibrationError(n_bins=15)
    for scores, labels, _ in batches:
        calibration.update(torch.from_numpy(scores).ravel(), torch.from_numpy(labels).ravel())
    expected_error = pytest.approx(float(calibration.compute()), abs=1e-6)
    assert result.metrics["calibration_error"] == expected_error


def test_confidences_beside_the_edges_of_bins_agree_with_torchmetrics():
    edges = np.arange(1, 15) / 15
    for score in (0, *(edges - 1e-6), *(edges + 1e-6), 1):
        calibration = BinaryCalibrationError(n_bins=15)
        metrics = ClassificationMetrics(1, True)
        for value in np.clip([score - 0.02, score, score + 0.02], 0, 1).astype(np.float32):
            label = int(value > 0.4)
            calibration.update(torch.tensor([float(value)]), torch.tensor([label]))
            metrics.update(np.array([[value]]), np.array([[label]]), 0.0)
        expected = pytest.approx(float(calibration.compute()), abs=1e-6)
        assert metrics.compute().metrics["calibration_error"] == expected, score


@pytest.mark.parametrize("label", range(8))
def test_of_equal_scores_those_of_lower_class_ids_are_the_top_five(label):
    metrics = ClassificationMetrics(8, False)
    scores = np.eye(8, dtype=np.float32)[[7]]
    metrics.update(scores, np.array([label]), 0.0)
    assert metrics.compute().metrics["top5_accuracy"] == float(label in (7, 0, 1, 2, 3))


@settings(max_examples=50)
@given(st.booleans().flatmap(lambda several: st.tuples(st.just(several), evaluations(several))))
def test_records_of_two_processes_give_the_metrics_of_one(case):
    multi_label, (classes, batches) = case
    one = measure(classes, batches, multi_label).compute()
    first = measure(classes, batches[::2], multi_label)
    second = measure(classes, batches[1::2], multi_label)
    first.records = first.records + second.records
    both = first.compute()
    assert both.metrics == pytest.approx(one.metrics, abs=1e-9)
    assert (both.confusion == one.confusion).all()
