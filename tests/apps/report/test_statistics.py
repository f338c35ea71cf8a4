"""Intervals, slices, calibration and labels that look wrong, on numbers with known answers."""

import numpy as np
import pytest
from torchmetrics.functional.classification import multiclass_calibration_error

from visus.apps.report.calibration import fit_temperature, measure_calibration, scale_scores
from visus.apps.report.intervals import bootstrap_intervals, bootstrap_standard_error
from visus.apps.report.label_errors import out_of_sample_scores, rank_label_errors
from visus.apps.report.slices import compare_slices, image_properties
from visus.tasks.assessment import LabelScores


def test_intervals_cover_the_true_mean_as_often_as_they_claim():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        values = rng.random(50)
        (low, high) = bootstrap_intervals(lambda i, v=values: {"mean": v[i].mean()}, 50)["mean"]
        covered += low <= 0.5 <= high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / 50), rel=0.35)
        error = bootstrap_standard_error(lambda i, v=values: v[i].mean(), 50)
        assert error == pytest.approx(np.sqrt(1 / 12 / 50), rel=0.35)
    assert covered >= 51


def test_too_few_samples_and_undefined_metrics_have_no_interval():
    assert bootstrap_intervals(lambda i: {"mean": 1.0}, 9) == {}
    assert bootstrap_standard_error(lambda i: 1.0, 9) is None
    found = bootstrap_intervals(lambda i: {"a": float(i[0]), "b": float("nan")}, 20)
    assert set(found) == {"a"}


def test_a_weak_slice_is_found_and_noise_is_not():
    rng = np.random.default_rng(1)
    size = rng.random(400)
    kinds = rng.choice(["cat", "dog"], 400)
    quality = np.where(size < 0.25, rng.random(400) * 0.6, rng.random(400))
    slices = compare_slices(quality, {"size": size, "kind": kinds, "noise": rng.random(400)})
    differing = {each.name for each in slices if each.differs}
    assert differing == {"size"} and slices[0].value.startswith("up to")
    assert slices[0].quality < slices[0].rest and len(slices) == 6
    assert compare_slices(quality[:4], {"size": size[:4]}) == []


def test_properties_of_images():
    dark = np.zeros((20, 40, 3), np.uint8)
    board = np.kron(np.indices((10, 20)).sum(0) % 2, np.ones((2, 2)))[..., None] * 255
    bright = image_properties(np.repeat(board, 3, 2).astype(np.uint8))
    assert image_properties(dark) == {
        "brightness": 0, "contrast": 0, "sharpness": 0, "aspect ratio": 2,
    }  # fmt: skip
    assert bright["brightness"] == pytest.approx(0.5) and bright["sharpness"] > 0.5


def overconfident(count=3000, classes=4, temperature=2.0):
    """Scores whose logits are too large by a factor, and labels drawn from the right scores."""
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (count, classes))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (rng.random(count)[:, None] > true.cumsum(1)).sum(1)
    sharp = np.exp(logits * temperature)
    scores = (sharp / sharp.sum(1, keepdims=True)).astype(np.float32)
    return LabelScores(scores, labels, list("abcd"))


def test_the_temperature_of_overconfident_scores_is_recovered():
    scored = overconfident()
    temperature = fit_temperature(scored)
    assert temperature == pytest.approx(2, rel=0.1)
    before = measure_calibration(*scored.confidences())
    after = measure_calibration(*scale_scores(scored, temperature).confidences())
    assert before.error > 0.08 and after.error < 0.03
    np.testing.assert_array_equal(
        scored.scores.argmax(1), scale_scores(scored, temperature).scores.argmax(1)
    )


def test_the_calibration_error_is_that_of_torchmetrics():
    import torch

    scored = overconfident(500)
    expected = multiclass_calibration_error(
        torch.from_numpy(scored.scores), torch.from_numpy(scored.labels), 4, n_bins=15
    )
    found = measure_calibration(*scored.confidences()).error
    assert found == pytest.approx(float(expected), abs=1e-5)


def test_samples_that_are_all_right_leave_the_scores_finite():
    scores = np.full((50, 2), [0.9, 0.1], np.float32)
    scored = LabelScores(scores, np.zeros(50, np.int64), list("ab"))
    scaled = scale_scores(scored, fit_temperature(scored)).scores[:, 0]
    np.testing.assert_allclose(scaled, 1 - 1 / 52, atol=1e-3)


def test_scores_of_several_labels_are_calibrated_too():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.5, (2000, 3))
    labels = (rng.random((2000, 3)) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    scores = (1 / (1 + np.exp(-3 * logits))).astype(np.float32)
    assert fit_temperature(LabelScores(scores, labels, list("abc"))) == pytest.approx(3, rel=0.1)


def test_swapped_labels_are_listed_first():
    rng = np.random.default_rng(4)
    true = np.arange(300) % 3
    features = rng.normal(0, 1, (300, 16)).astype(np.float32)
    features[np.arange(300), true] += 4
    labels = true.copy()
    wrong = rng.choice(300, 15, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 3
    scores = out_of_sample_scores(features, labels)
    listed, likely = rank_label_errors(scores, labels)
    assert set(listed[:15].tolist()) == set(wrong.tolist())
    assert likely[:15].sum() >= 8 and not likely[15:].any() and len(listed) < 30
