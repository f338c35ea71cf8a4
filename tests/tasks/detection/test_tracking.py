import numpy as np

from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.tracking import Tracker


def frame(*objects):
    """Each object is (x, y, class, score), a box of 20 x 20."""
    boxes = np.array([[x, y, x + 20, y + 20] for x, y, _, _ in objects], np.float32)
    return DetectionPrediction(
        boxes.reshape(-1, 4),
        np.array([score for *_, score in objects], np.float32),
        np.array([kind for _, _, kind, _ in objects], np.int64),
        ("a", "b"),
        (300, 300),
    )


def test_two_objects_that_cross_keep_their_track_numbers():
    tracker = Tracker()
    numbers = []
    for step in range(20):
        tracked = tracker.update(frame((10 * step, 40, 0, 0.9), (190 - 10 * step, 55, 0, 0.8)))
        numbers.append(tracked.tracks.tolist())
    assert all(pair == [1, 2] for pair in numbers)


def test_an_object_that_reappears_keeps_its_track_number():
    tracker = Tracker()
    for step in range(6):
        tracker.update(frame((6 * step, 40, 0, 0.9)))
    for _ in range(4):
        assert len(tracker.update(frame())) == 0
    tracked = tracker.update(frame((60, 40, 0, 0.9)))
    assert tracked.tracks.tolist() == [1]
    for _ in range(40):
        tracker.update(frame())
    tracker.update(frame((60, 40, 0, 0.9)))
    assert tracker.update(frame((60, 40, 0, 0.9))).tracks.tolist() == [2]


def test_a_low_score_continues_a_track_unreported_but_starts_none():
    tracker = Tracker()
    for step in range(4):
        tracker.update(frame((3 * step, 40, 0, 0.9)))
    tracked = tracker.update(frame((12, 40, 0, 0.2), (200, 200, 0, 0.3)))
    assert tracked.tracks.tolist() == [1] and len(tracked.above_threshold()) == 0
    assert tracked.to_json()["detections"] == [] and tracked.summary() == "none"
    np.testing.assert_allclose(tracked.boxes[0], [12, 40, 32, 60])
    # The object is reported again under its number once its score recovers.
    tracked = tracker.update(frame((15, 40, 0, 0.9)))
    assert tracked.above_threshold().tracks.tolist() == [1]


def test_classes_are_not_mixed_and_a_single_detection_is_not_confirmed():
    tracker = Tracker()
    tracker.update(frame((50, 50, 0, 0.9)))
    assert len(tracker.update(frame((50, 50, 1, 0.9)))) == 0
    assert tracker.update(frame((50, 50, 1, 0.9))).class_ids.tolist() == [1]
