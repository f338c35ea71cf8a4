from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.tasks.action.conftest import FRAMES, SECONDS, new_task
from visus.apps.inference.loading import torch_model
from visus.tasks.action.streaming import StreamingModel
from visus.vision.errors import VisusError
from visus.vision.frames import Frame


@pytest.fixture(scope="module")
def model():
    return torch_model("m", new_task("tsm", inputs="both"))


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def frames(times, first=0):
    return [Frame(image(first + i), "v", i, time, 0.0) for i, time in enumerate(times)]


def run(model, given):
    """The times of the steps, and the prediction for each frame."""
    times = []
    streaming = StreamingModel(model, lambda time, *_: times.append(time))
    return times, [streaming.predict_frame(frame) for frame in given]


def test_frames_are_sampled_by_their_times(model):
    # 30 frames/s, and twice as many: the network sees two a second.
    for rate in (30, 60):
        times, predictions = run(model, frames(np.arange(3 * rate) / rate))
        assert times == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])
        assert len({id(each) for each in predictions}) == 6


def test_predictions_are_those_of_the_network_on_the_window(model):
    given = frames(np.arange(4 * FRAMES) * SECONDS / FRAMES / 4)
    _, predictions = run(model, given)
    sampled = [model.preprocess(frame.image)[0] for frame in given[::4]]
    with torch.inference_mode():
        clip = torch.from_numpy(np.stack(sampled, 1))
        (logits,) = model.network.task(clip)
    expected = logits.softmax(1)[0].numpy()
    assert predictions[-1].scores == pytest.approx(expected, abs=1e-5)


def test_a_slow_source_repeats_its_frames(model):
    times, _ = run(model, frames([0, 1, 2]))
    assert times == pytest.approx([0, 0.5, 1, 1.5, 2])


@pytest.mark.parametrize("gap", [5.0, -1.0])
def test_a_gap_and_a_step_back_start_anew(model, gap):
    before, after = frames([0, 0.5, 1.0]), frames([1 + gap, 1.5 + gap], first=7)
    _, predictions = run(model, [*before, *after])
    _, fresh = run(model, frames([0, 0.5], first=7))
    assert predictions[-1].scores.tolist() == fresh[-1].scores.tolist()


def test_predictions_hold_the_labels_of_the_last_ten_seconds(model):
    _, predictions = run(model, frames(np.arange(0, 15, 0.5)))
    recent = predictions[-1].recent
    assert recent[0].start == pytest.approx(recent[-1].end - 10)
    assert recent[-1].label == predictions[-1].top(1)[0][0]
    for first, second in pairwise(recent):
        assert first.end == second.start and first.label != second.label


def test_a_still_image_is_refused(model):
    streaming = StreamingModel(model)
    with pytest.raises(VisusError, match="a still image is not a clip"):
        streaming.predict(image(0))
    with pytest.raises(VisusError, match="a still image is not a clip"):
        streaming.predict_frame(Frame(image(0), "a.png", None, None, 0.0))


def test_a_clip_with_a_pause_is_not_shorter_than_a_window(model):
    streaming = StreamingModel(model)
    for frame in frames([*np.arange(2 * FRAMES) * SECONDS / FRAMES, 60.0]):
        streaming.predict_frame(frame)
    assert not streaming.complete_window()
    short = StreamingModel(model)
    for frame in frames([0.0, 60.0]):
        short.predict_frame(frame)
    assert short.complete_window()
