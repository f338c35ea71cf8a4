"""Recorded videos: every frame at its time."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.live.sources.containers import UNEVEN, write_matroska
from tests.reliability.canaries import FIXTURES
from visus.apps.live.sinks.video import VideoSink
from visus.apps.live.sources.files import VideoSource
from visus.vision.errors import VisusError
from visus.vision.frames import Frame

MODEL = FIXTURES / "classification.onnx"


def grey(value):
    return np.full((48, 64, 3), value, np.uint8)


def record(frames, rate, path="o.mp4"):
    """The sink, the times and the brightness of what it wrote."""
    sink = VideoSink(Path(path), rate)
    for frame in frames:
        assert sink.show(frame, frame.image)
    sink.close()
    written = list(VideoSource(Path(path)).frames())
    return sink, [frame.time for frame in written], [frame.image.mean() for frame in written]


def frame(i, time, **values):
    return Frame(grey(10 * i), "camera 0", i, time, 0.0, **values)


def test_a_variable_frame_rate_keeps_its_times_and_its_duration(visus, workplace):
    write_matroska(Path("a.mkv"), UNEVEN, 5000)
    code, _, err = visus("live", MODEL, "a.mkv", "--video", "o.mp4")
    assert code == 0, err
    assert "wrote o.mp4: 50 frames (10 a second, 36 of them repeated), " in err
    frames = list(VideoSource(Path("a.mkv")).frames())
    _, times, means = record(frames, VideoSource(Path("a.mkv")).rate, "p.mp4")
    np.testing.assert_allclose(times, np.arange(50) / 10, atol=1e-3)
    # Each shows the last frame that had begun.
    shown = np.searchsorted(UNEVEN, 100 * np.arange(50), side="right") - 1
    assert np.abs(means - 10 * shown).max() < 12


def test_frames_closer_together_than_the_rate_are_left_out_and_counted(workplace):
    sink, times, _ = record([frame(i % 20, i / 50) for i in range(100)], 25.0)
    assert sink.written().startswith(f"o.mp4: {len(times)} frames (25 a second, ")
    assert sink.written().endswith(f"{100 - len(times)} of the source left out)")
    assert abs(len(times) - 50) <= 2


def test_frames_that_come_unevenly_are_all_written(workplace):
    moments = [i / 25 + 0.018 * (-1) ** i for i in range(1, 50)]
    sink, times, _ = record([frame(i % 20, time) for i, time in enumerate(moments)], 25.0)
    assert len(times) <= 51 and "left out" not in sink.written()


@pytest.mark.parametrize("rate", [0.0, 90_000.0])
def test_a_rate_that_no_camera_has_becomes_25(workplace, rate):
    _, times, _ = record([frame(i, i / 5) for i in range(4)], rate)
    np.testing.assert_allclose(times, np.arange(16) / 25, atol=1e-3)


def test_the_recording_of_an_interrupted_camera_goes_on(workplace):
    now = time.perf_counter()
    last = replace(frame(1, 0.1), captured=now - 2)
    # Two seconds later, the last frame is repeated with a note.
    frames = [frame(0, 0.0), last, replace(last, note="no image for 2 s")]
    _, times, _ = record(frames, 10.0)
    assert len(times) in (22, 23)


def test_a_camera_without_an_image_records_nothing(workplace):
    sink = VideoSink(Path("o.mp4"), 10.0)
    assert sink.show(frame(0, 0.0, note="no image for 1 s"), grey(0))
    sink.close()
    assert not sink.written() and not list(Path().iterdir())


def test_a_camera_begins_with_its_first_frame(workplace):
    # It was opened half a minute before, while the model was loaded or another camera was away.
    sink = VideoSink(Path("o.mp4"), 10.0, None)
    for i in range(10):
        each = frame(i, 30 + i / 10)
        assert sink.show(each, each.image)
    sink.close()
    assert len(list(VideoSource(Path("o.mp4")).frames())) == 10


def test_other_suffixes_are_refused():
    with pytest.raises(VisusError, match=r"must be \.mp4 or \.webm"):
        VideoSink(Path("v.avi"), 25.0)
