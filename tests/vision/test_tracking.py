import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.vision.moving_scenes import MovingScene
from visus.vision.tracking import BoxTracker

RATES = (5.0, 10.0, 25.0, 60.0)


def update(tracker, time, *objects, threshold=0.5):
    """Track boxes of 20 x 20; each object is (x, y, class, score). Returns the track numbers."""
    boxes = np.array([[x, y, x + 20, y + 20] for x, y, _, _ in objects], np.float32)
    scores = np.array([score for *_, score in objects], np.float32)
    kinds = np.array([kind for _, _, kind, _ in objects], np.int64)
    return tracker.update(boxes.reshape(-1, 4), scores, kinds, threshold, time).tolist()


@pytest.mark.parametrize("rate", RATES)
def test_two_objects_that_cross_keep_their_numbers(rate):
    tracker, numbers = BoxTracker(), []
    for step in range(round(2 * rate)):
        x = 100 * step / rate
        numbers.append(update(tracker, step / rate, (x, 40, 0, 0.9), (190 - x, 55, 0, 0.8)))
    assert all(pair == [1, 2] for pair in numbers)


def test_a_track_ends_after_its_seconds_whatever_the_frame_rate():
    for rate in RATES:
        tracker = BoxTracker(max_age=1.0)
        for step in range(round(2 * rate)):
            update(tracker, step / rate, (50, 40, 0, 0.9))
        start = 2 + 1 / rate
        assert update(tracker, start + 0.9) == []
        ended = [update(tracker, start + 1.1 + step / rate, (50, 40, 0, 0.9)) for step in range(3)]
        assert ended == [[0], [2], [2]]


def test_a_track_of_the_previous_frame_continues_however_late_the_next_one_is():
    tracker = BoxTracker(max_age=1.0)
    assert [update(tracker, 5.0 * step, (50, 40, 0, 0.9)) for step in range(4)] == [[1]] * 4


def test_a_low_score_continues_a_track_but_starts_none():
    tracker = BoxTracker()
    for step in range(4):
        update(tracker, step / 10, (3 * step, 40, 0, 0.9))
    assert update(tracker, 0.4, (12, 40, 0, 0.2), (200, 200, 0, 0.3)) == [1, 0]
    assert update(tracker, 0.5, (15, 40, 0, 0.9)) == [1]
    assert update(tracker, 0.6, (18, 40, 0, 0.05)) == [0]


def test_classes_are_not_mixed_and_a_single_detection_is_not_confirmed():
    tracker = BoxTracker()
    update(tracker, 0.0, (50, 50, 0, 0.9))
    assert update(tracker, 0.1, (50, 50, 1, 0.9)) == [0]
    assert update(tracker, 0.2, (50, 50, 1, 0.9)) == [2]


def test_a_single_false_detection_does_not_take_the_number_of_a_hidden_object():
    tracker = BoxTracker()
    for step in range(10):
        update(tracker, step / 10, (5 * step, 40, 0, 0.9))
    assert update(tracker, 1.0, (75, 60, 0, 0.9)) == [0]
    update(tracker, 1.1)
    numbers = [update(tracker, 1.2 + step / 10, (60 + 5 * step, 40, 0, 0.9)) for step in range(3)]
    assert numbers[-1] == [1]


def test_a_stream_that_begins_again_has_new_tracks():
    tracker = BoxTracker()
    for step in range(5):
        update(tracker, 10 + step / 10, (50, 50, 0, 0.9))
    assert [update(tracker, step / 10, (50, 50, 0, 0.9)) for step in range(2)] == [[0], [2]]


@settings(max_examples=150)
@given(
    rate=st.floats(5, 60),
    speed=st.floats(0.9, 4),
    angle=st.floats(-0.4, 0.4),
    aspect=st.floats(0.3, 3),
    hidden=st.floats(0.2, 1.0),
    seed=st.integers(0, 2**16),
)
def test_an_object_keeps_its_number_through_a_second_behind_a_pillar(
    rate, speed, angle, aspect, hidden, seed
):
    """The speed is in widths per second; the pillar cuts the box off before and after."""
    rng = np.random.default_rng(seed)
    width, height = 60.0, 60 / aspect
    velocity = speed * width * np.array([np.cos(angle), np.sin(angle)])
    left = 1.5 * velocity[0] + width
    # Scores reach the threshold from 0.385 of the box on, so that this is without a detection.
    right = left + max(width, 0.23 * width + hidden * velocity[0])
    tracker, seen, missed = BoxTracker(), set(), 0
    for step in range(round((right + 3 * width) / velocity[0] * rate)):
        x, y = velocity * step / rate
        before, after = max(0.0, left - x), max(0.0, x + width - right)
        visible = min(1.0, max(before, after) / width)
        corners = [x, min(x + width, left)] if before else [max(x, right), x + width]
        box = np.array([corners[0], y, corners[1], y + height])
        boxes = (box + rng.normal(0, 0.015, 4) * np.tile([width, height], 2))[None]
        kept = np.array([visible > 0.25])
        scores = np.array([0.25 + 0.65 * visible])
        kinds = np.zeros(1, int)
        numbers = tracker.update(boxes[kept], scores[kept], kinds[kept], 0.5, step / rate)
        missed += visible < 0.385
        seen |= set(numbers.tolist()) - {0}
    assert missed >= hidden * rate - 1
    assert seen == {1}


def benchmark():
    """The module of benchmarks/tracking.py."""
    path = Path(__file__).parents[2] / "benchmarks" / "tracking.py"
    spec = importlib.util.spec_from_file_location("tracking_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("rate", "hota", "idf1"), [(5.0, 0.5, 0.6), (10.0, 0.6, 0.7), (25.0, 0.6, 0.7)]
)
def test_scenes_with_occlusions_reach_their_scores_by_trackeval(rate, hota, idf1):
    module = benchmark()
    sequences = [module.run_scene(seed, rate, 10.0, module.new_tracker()) for seed in range(6)]
    figures = module.measure(sequences)
    assert figures["HOTA"] > hota and figures["IDF1"] > idf1, figures


def test_a_scene_is_the_same_at_every_frame_rate():
    first, second = MovingScene(3), MovingScene(3)
    np.testing.assert_array_equal(first.boxes(1.5), second.boxes(1.5))
    truth = first.visible(1.5)
    whole = first.boxes(1.5)[truth.ids]
    assert (truth.boxes[:, :2] >= whole[:, :2] - 2).all()
    assert (truth.boxes[:, 2:] <= whole[:, 2:] + 2).all()
    assert ((truth.fractions >= 0.2) & (truth.fractions <= 1)).all()
