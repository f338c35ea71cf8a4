import numpy as np
import pytest
import torch
from torchmetrics.classification import MultilabelAveragePrecision

from visus.tasks.action.metrics import ActionMetrics, mean_average_precision


def test_the_windows_of_a_clip_count_once():
    metrics = ActionMetrics(2, multi_label=False)
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], np.float32)
    metrics.update(["a", "b", "a"], scores, np.array([0, 0, 0]))
    result = metrics.compute()
    # The mean of the windows of `a` is (0.65, 0.35).
    assert result.confusion.tolist() == [[1, 1], [0, 0]]
    assert result.metrics["accuracy"] == 0.5
    assert result.metrics["loss"] == pytest.approx(-np.log([0.65, 0.2]).mean())


def test_windows_of_two_processes_are_joined():
    scores = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    parts = [ActionMetrics(2, multi_label=False) for _ in range(2)]
    for part, row in zip(parts, scores, strict=True):
        part.update(["a"], row[None], np.array([0]))
    parts[0].records += parts[1].records
    assert parts[0].compute().metrics["loss"] == pytest.approx(-np.log(0.55))


def test_several_labels_have_a_mean_average_precision():
    rng = np.random.default_rng(0)
    for ties in (False, True):
        scores = rng.random((40, 5)).astype(np.float32)
        scores = scores.round(1) if ties else scores
        labels = (rng.random((40, 5)) < scores).astype(int)
        expected = MultilabelAveragePrecision(5)(torch.tensor(scores), torch.tensor(labels))
        assert mean_average_precision(scores, labels) == pytest.approx(float(expected), abs=1e-5)
    metrics = ActionMetrics(5, multi_label=True)
    metrics.update([str(i) for i in range(40)], scores, labels)
    result = metrics.compute()
    assert result.metrics["map"] == mean_average_precision(scores, labels)
    assert result.confusion.shape == (5, 2, 2)


def test_without_clips_there_are_metrics():
    assert ActionMetrics(3, multi_label=False).compute().metrics["accuracy"] == 0
    assert mean_average_precision(np.zeros((2, 2)), np.zeros((2, 2), int)) == 0
