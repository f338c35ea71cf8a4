import numpy as np
import pytest

from visus.tasks.action.draw import draw_action
from visus.tasks.action.prediction import ActionPrediction, Segment, postprocess
from visus.vision.metadata import ModelMetadata

NAMES = ("clap", "wave", "jump")


def metadata(multi_label):
    return ModelMetadata(
        *("action", NAMES, (8, 8), 3, "stretch", (0.0,) * 3, (1.0,) * 3),
        {"multi_label": multi_label, "frames": 8, "seconds": 2.0},
        ((8, 16), (1,)),
    )


def test_logits_become_scores_and_the_state_is_ignored():
    outputs = [np.array([0.0, 2.0, -1.0]), np.zeros((8, 16)), np.zeros(1)]
    prediction = postprocess(outputs, None, metadata(False))
    assert prediction.scores.sum() == pytest.approx(1)
    assert prediction.summary().startswith("wave 0.84, clap 0.11")
    assert prediction.to_json()["classes"][0] == {"label": "wave", "score": 0.843795}
    several = postprocess(outputs, None, metadata(True))
    assert [label for label, _ in several.labels()] == ["wave", "clap"]


def test_metadata_keep_the_shapes_of_the_state():
    again = ModelMetadata.from_dict(metadata(False).to_dict(), "m")
    assert again == metadata(False)
    assert [each.shape for each in again.initial_state()] == [(1, 8, 16), (1, 1)]


def drawn(recent, size=(120, 400)):
    scores = np.array([0.7, 0.2, 0.1], np.float32)
    prediction = ActionPrediction(scores, NAMES, recent=recent)
    return draw_action(np.full((*size, 3), 100, np.uint8), prediction, False)


def test_the_strip_shows_when_something_happened():
    recent = (Segment(20, 25, "wave", 0.9), Segment(25, 27, "", 0.3), Segment(27, 30, "clap", 0.8))
    strip = drawn(recent)[-3]
    first, none, last = strip[100], strip[240], strip[300]
    assert first.tolist() != last.tolist()
    assert none.tolist() == strip[210].tolist() == [35, 35, 35]
    assert strip[198].tolist() == first.tolist()


def test_nothing_is_drawn_outside_of_images():
    assert drawn(()).shape == (120, 400, 3)
    for size in ((8, 8), (40, 33), (1, 500)):
        assert drawn((Segment(0, 30, "wave", 1.0),), size).shape == (*size, 3)
