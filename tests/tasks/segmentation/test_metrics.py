import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.tasks.segmentation.metrics import (
    SegmentationMetrics,
    boundary_f1,
    class_iou,
    confusion_matrix,
)
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.images import read_mask
from visus.vision.masks import IGNORE

NAMES = ("ground", "road", "tree", "sky")
PARTS = (slice(5), slice(5, None))
COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))


def mask(rows):
    return np.array(rows, np.uint8)


def measure(*pairs, thorough=False):
    metrics = SegmentationMetrics(len(NAMES), thorough)
    for i, (true, predicted) in enumerate(pairs):
        metrics.update(str(i), SegmentationPrediction(mask(predicted), NAMES, COLOURS), mask(true))
    return metrics


@pytest.mark.parametrize("thorough", [True, False])
def test_metrics_of_a_case_counted_by_hand(thorough):
    metrics = measure(
        # Unlabelled pixels are left out; class 2 is missing in the first image, class 3 everywhere.
        ([[0, 0, 1, 255]], [[0, 1, 1, 0]]),
        ([[2, 2, 1, 1]], [[2, 2, 2, 1]]),
        thorough=thorough,
    )
    result = metrics.compute()
    # Ground 1 of 2; road 2 correct, 1 missed, 1 wrong; tree 2 of 3; sky does not occur.
    np.testing.assert_allclose(result.iou, [1 / 2, 2 / 4, 2 / 3, np.nan])
    assert result.metrics["miou"] == pytest.approx((1 / 2 + 2 / 4 + 2 / 3) / 3)
    assert result.metrics["pixel_accuracy"] == pytest.approx(5 / 7)
    assert ("boundary_f1" in result.metrics) == thorough
    if thorough:
        # Of the first image alone: ground 1 of 2, road 1 of 2.
        assert metrics.records[0].miou == pytest.approx(1 / 2)
        first = metrics.records[0]
        assert read_mask(first.true_mask).tolist() == [[0, 0, 1, 255]]
        assert read_mask(first.predicted_mask).tolist() == [[0, 1, 1, 0]]
    else:
        assert len(metrics.records) == 1


def test_a_class_that_is_only_predicted_has_an_iou_of_zero():
    result = measure(([[0, 0]], [[0, 3]])).compute()
    np.testing.assert_allclose(result.iou, [1 / 2, np.nan, np.nan, 0])
    assert result.metrics["miou"] == pytest.approx(1 / 4)


def test_nothing_labelled_is_undefined_not_zero():
    result = measure(([[255, 255]], [[0, 1]]), thorough=True).compute()
    assert np.isnan(result.metrics["miou"]) and np.isnan(result.metrics["pixel_accuracy"])
    assert np.isnan(SegmentationMetrics(len(NAMES)).compute().metrics["miou"])


@given(st.integers(0, 2**32 - 1))
def test_confusion_matrices_of_parts_add_up(seed):
    random = np.random.default_rng(seed)
    true = random.integers(0, 5, (12, 9)).astype(np.uint8)
    true[true == 4] = IGNORE
    predicted = random.integers(0, 4, (12, 9)).astype(np.uint8)
    whole = confusion_matrix(true, predicted, 4)
    assert whole.sum() == (true != IGNORE).sum()
    first, second = (confusion_matrix(true[part], predicted[part], 4) for part in PARTS)
    assert (whole == first + second).all()
    values = class_iou(whole)
    assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()
    assert np.nanmin(class_iou(confusion_matrix(true, true.clip(0, 3), 4))) == 1


def half(column, size=(60, 80)):
    """Ground left of a column, road right of it."""
    ids = np.zeros(size, np.uint8)
    ids[:, column:] = 1
    return ids


def test_boundaries_match_within_the_tolerance():
    # The diagonal is 100 px, so that the tolerance is one pixel, its minimum.
    np.testing.assert_allclose(boundary_f1(half(40), half(40), 4), [1, 1, np.nan, np.nan])
    np.testing.assert_allclose(boundary_f1(half(40), half(41), 4)[:2], 1)
    np.testing.assert_allclose(boundary_f1(half(40), half(44), 4)[:2], 0)
    # In an image six times as large the same shift is within the tolerance.
    near = boundary_f1(half(240, (360, 480)), half(244, (360, 480)), 4)
    np.testing.assert_allclose(near[:2], 1)


def test_a_boundary_of_only_one_mask_is_zero_and_unlabelled_pixels_have_none():
    true = half(40)
    np.testing.assert_allclose(boundary_f1(true, np.zeros_like(true), 4)[:2], 0)
    true[:, 30:50] = IGNORE
    # Both sides of the unlabelled stripe are far from any other class.
    assert np.isnan(boundary_f1(true, half(40), 4)).all()


def test_outlines_beside_unlabelled_pixels_are_not_measured():
    """Pascal VOC has a line of unlabelled pixels around every object."""
    true, predicted = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    true[18:42, 18:62] = IGNORE
    true[22:38, 22:58] = 1
    predicted[17:43, 17:63] = 1
    assert np.isnan(boundary_f1(true, predicted, 4)).all()


def test_records_of_several_processes_give_the_same_metrics():
    pairs = [([[0, 0, 1, 255]], [[0, 1, 1, 0]]), ([[2, 2, 1, 1]], [[2, 2, 2, 1]])]
    for thorough in (True, False):
        whole = measure(*pairs, thorough=thorough)
        parts = [measure(pair, thorough=thorough) for pair in pairs]
        joined = SegmentationMetrics(len(NAMES), thorough)
        joined.records = [record for part in parts for record in part.records]
        assert joined.compute().metrics == whole.compute().metrics
