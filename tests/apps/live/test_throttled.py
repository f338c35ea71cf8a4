"""The throttled model: once a second of the frames' own time."""

from types import SimpleNamespace

import numpy as np

from tests.conftest import eventually
from visus.apps.live.throttled import ThrottledModel
from visus.vision.frames import Frame
from visus.vision.model import Model


class Numbered(Model):
    """Predicts the number of its predictions."""

    name, runtime, workers = "numbered", "none", 1
    run = preprocess = set_option = precision = None
    metadata = SimpleNamespace(in_channels=3)

    def __init__(self):
        self.calls = 0

    def predict_image(self, image):
        self.calls += 1
        return self.calls


class Clip:
    still, live, rate = False, False, 25.0


def predicted_at(times):
    """The times of the frames that are predicted."""
    model = Numbered()
    throttled = ThrottledModel(model, Clip())
    image = np.zeros((8, 8, 3), np.uint8)
    found, before = [], 0
    for index, moment in enumerate(times):
        throttled.predict_frame(Frame(image, "clip", index, moment, 0.0))
        if model.calls != before:
            found.append(moment)
        before = model.calls
    return found


def test_the_interval_is_a_second_of_the_frames_at_every_frame_rate():
    assert predicted_at([i / 25 for i in range(76)]) == [0.0, 1.0, 2.0, 3.0]
    assert predicted_at([i / 5 for i in range(16)]) == [0.0, 1.0, 2.0, 3.0]
    # A variable rate: a still of four seconds, then close frames.
    assert predicted_at([0.0, 0.1, 4.1, 4.2, 4.9, 5.1, 5.2]) == [0.0, 4.1, 5.1]


def test_a_camera_is_predicted_once_a_second_too():
    model = Numbered()
    throttled = ThrottledModel(model, SimpleNamespace(still=False, live=True, rate=25.0))
    image = np.zeros((8, 8, 3), np.uint8)
    found = []
    for index in range(76):
        calls = model.calls
        throttled.predict_frame(Frame(image, "camera 0", index, index / 25, 0.0))
        if index % 25 == 0:
            eventually(lambda calls=calls: model.calls == calls + 1)
        found.append(model.calls)
    assert found == [1] * 25 + [2] * 25 + [3] * 25 + [4]


def test_an_image_that_is_sent_is_predicted_for_itself():
    model = Numbered()
    throttled = ThrottledModel(model, Clip())
    image = np.zeros((8, 8, 3), np.uint8)
    assert [throttled.predict(image) for _ in range(3)] == [1, 2, 3]
