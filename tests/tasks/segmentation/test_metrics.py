import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.tasks.segmentation.metrics import SegmentationMetrics, boundary_f1, confusion, iou
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.masks import IGNORE

NAMES = ("ground", "road", "tree", "sky")
COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))


def mask(rows):
    return np.array(rows, np.uint8)


def scored(*pairs, thorough=False):
    scores = SegmentationMetrics(NAMES, thorough)
    for i, (truth, answer) in enumerate(pairs):
        scores.add(str(i), SegmentationPrediction(mask(answer), NAMES, COLOURS), mask(truth))
    return scores


@pytest.mark.parametrize("thorough", [True, False])
def test_figures_of_a_case_counted_by_hand(thorough):
    scores = scored(
        # Void is left out; class 2 is missing in the first image, class 3 everywhere.
        ([[0, 0, 1, 255]], [[0, 1, 1, 0]]),
        ([[2, 2, 1, 1]], [[2, 2, 2, 1]]),
        thorough=thorough,
    )
    result = scores.compute()
    # ground 1 of 2; road 2 hits, 1 missed, 1 wrong; tree 2 of 3; sky is nowhere.
    np.testing.assert_allclose(result.iou, [1 / 2, 2 / 4, 2 / 3, np.nan])
    assert result.figures["miou"] == pytest.approx((1 / 2 + 2 / 4 + 2 / 3) / 3)
    assert result.figures["pixel_accuracy"] == pytest.approx(5 / 7)
    assert ("boundary_f1" in result.figures) == thorough
    if thorough:
        # Of the first image alone: ground 1 of 2, road 1 of 2.
        assert scores.records[0].miou == pytest.approx(1 / 2)


def test_a_class_that_is_only_ever_claimed_counts_as_missed():
    result = scored(([[0, 0]], [[0, 3]])).compute()
    np.testing.assert_allclose(result.iou, [1 / 2, np.nan, np.nan, 0])
    assert result.figures["miou"] == pytest.approx(1 / 4)


def test_nothing_labelled_is_undefined_not_zero():
    result = scored(([[255, 255]], [[0, 1]]), thorough=True).compute()
    assert np.isnan(result.figures["miou"]) and np.isnan(result.figures["pixel_accuracy"])
    assert np.isnan(SegmentationMetrics(NAMES).compute().figures["miou"])


@given(st.integers(0, 2**32 - 1))
def test_counting_in_parts_or_at_once_is_the_same(seed):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 5, (12, 9)).astype(np.uint8)
    truth[truth == 4] = IGNORE
    answer = random.integers(0, 4, (12, 9)).astype(np.uint8)
    whole = confusion(truth, answer, 4)
    assert whole.sum() == (truth != IGNORE).sum()
    parts = confusion(truth[:5], answer[:5], 4) + confusion(truth[5:], answer[5:], 4)
    assert (whole == parts).all()
    shares = iou(whole)
    assert ((shares >= 0) & (shares <= 1) | np.isnan(shares)).all()
    assert np.nanmin(iou(confusion(truth, truth.clip(0, 3), 4))) == 1


def half(column, size=(60, 80)):
    """Ground left of a column, road right of it."""
    made = np.zeros(size, np.uint8)
    made[:, column:] = 1
    return made


def test_boundaries_match_within_the_tolerance():
    # The diagonal is 100 px, so that the tolerance is its least, one pixel.
    np.testing.assert_allclose(boundary_f1(half(40), half(40), 4), [1, 1, np.nan, np.nan])
    np.testing.assert_allclose(boundary_f1(half(40), half(41), 4)[:2], 1)
    np.testing.assert_allclose(boundary_f1(half(40), half(44), 4)[:2], 0)
    # In an image six times as large the same shift is nothing.
    near = boundary_f1(half(240, (360, 480)), half(244, (360, 480)), 4)
    np.testing.assert_allclose(near[:2], 1)


def test_a_boundary_that_only_one_has_counts_zero_and_void_makes_none():
    truth = half(40)
    np.testing.assert_allclose(boundary_f1(truth, np.zeros_like(truth), 4)[:2], 0)
    truth[:, 30:50] = IGNORE
    # Both sides of the void are far from any other class: nothing is left to compare.
    assert np.isnan(boundary_f1(truth, half(40), 4)).all()


def test_an_outline_drawn_in_void_is_not_judged():
    """Pascal VOC draws a line of void around everything."""
    truth, answer = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    truth[18:42, 18:62] = IGNORE
    truth[22:38, 22:58] = 1
    answer[17:43, 17:63] = 1
    assert np.isnan(boundary_f1(truth, answer, 4)).all()
