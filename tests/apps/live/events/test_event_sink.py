"""Events: clips with the seconds before them, their JSON files, full disks, bounded memory."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.apps.live.test_loop import lines, write_video
from tests.conftest import eventually
from tests.reliability.test_full_disk import no_file_beyond
from visus.apps.live.events.conditions import parse_condition
from visus.apps.live.events.event_sink import EventSettings, EventSink
from visus.apps.live.events.recorder import Clip, Recorder
from visus.apps.live.events.ring import FrameRing, StoredFrame
from visus.apps.live.sources.base import Source
from visus.vision.frames import Frame
from visus.vision.prediction import Item


class Bright:
    """A prediction whose score is the brightness of the frame."""

    def __init__(self, level):
        self.level = level

    def items(self):
        return [Item("bright", self.level / 255)]

    def to_json(self):
        return {"level": self.level}


class Camera(Source):
    rate, frames = 10.0, None


def feed(sink, levels, step=0.1, size=(48, 64)):
    """Show a grey frame for each level."""
    for i, level in enumerate(levels):
        image = np.full((*size, 3), level, np.uint8)
        frame = Frame(image, "door", i, i * step, 0.0)
        sink.watch(frame, Bright(level))
        assert sink.show(frame, image)


def read_clip(path):
    """The mean grey of each frame."""
    from visus.apps.live.sources import open_source

    return [round(float(frame.image.mean())) for frame in open_source(str(path)).frames()]


def test_a_clip_shows_the_time_before_and_after_the_event(workplace, capsys):
    source = Camera()
    settings = EventSettings(workplace / "events", 2.0, 30.0)
    sink = EventSink("door", source, [parse_condition("bright > 0.5 for 500ms")], settings)
    feed(sink, [40] * 30 + [200] * 30)
    sink.close()
    (path,) = Path("events").glob("[!.]*.json")
    event = json.loads(path.read_text())
    assert (event["camera"], event["condition"]) == ("door", "bright > 0.5 for 500ms")
    assert event["time"] == 3.5 and event["prediction"] == {"level": 200}
    assert event["clip"] == path.with_suffix(".mp4").name
    levels = read_clip(path.with_suffix(".mp4"))
    # From a second before 3.5 s, and until a second after it; the condition began at 3 s.
    assert event["frames"] == 21 and event["seconds"] == pytest.approx(2.0)
    assert abs(len(levels) - 21) <= 1
    dark = sum(level < 100 for level in levels)
    assert 4 <= dark <= 6 and all(level > 150 for level in levels[dark:])
    assert sink.written().endswith("events: 1 event of door, 1 clip") and not source.problems
    assert f"visus: door: bright > 0.5 for 500ms, at 3.5 s: {path.with_suffix('.mp4')}" in (
        capsys.readouterr().err.replace(f"{workplace}/", "")
    )


def test_several_conditions_have_a_clip_each_and_the_end_finishes_them(workplace):
    settings = EventSettings(workplace / "events", 4.0, 30.0)
    conditions = [parse_condition("bright > 0.5"), parse_condition("bright > 0.7")]
    sink = EventSink("door", Camera(), conditions, settings)
    feed(sink, [40] * 10 + [150] * 5 + [200] * 5)
    sink.close()
    events = [json.loads(path.read_text()) for path in sorted(Path("events").glob("[!.]*.json"))]
    assert [event["condition"] for event in events] == ["bright > 0.5", "bright > 0.7"]
    for event in events:
        assert event["frames"] == 20
        assert len(read_clip(Path("events") / event["clip"])) >= 20


def test_an_interruption_neither_counts_nor_is_recorded(workplace):
    settings = EventSettings(workplace / "events", 2.0, 30.0)
    sink = EventSink("door", Camera(), [parse_condition("bright > 0.5 for 2s")], settings)
    feed(sink, [200] * 5)
    image = np.zeros((48, 64, 3), np.uint8)
    sink.show(Frame(image, "door", 5, 0.5, 0.0, note="no image for 5 s"), image)
    later = Frame(image + 200, "door", 6, 60.0, 0.0)
    sink.watch(later, Bright(200))
    sink.show(later, later.image)
    sink.close()
    assert not Path("events").exists()


def test_a_clip_ends_where_the_camera_is_interrupted(workplace):
    settings = EventSettings(workplace / "events", 10.0, 30.0)
    sink = EventSink("door", Camera(), [parse_condition("bright > 0.5")], settings)
    feed(sink, [40] * 10 + [200] * 10)
    image = np.zeros((48, 64, 3), np.uint8)
    sink.show(Frame(image, "door", 19, 1.9, 0.0, note="no image for 5 s"), image)
    eventually(lambda: any("frames" in p.read_text() for p in Path("events").glob("[!.]*.json")))
    (path,) = Path("events").glob("*.mp4")
    assert len(read_clip(path)) >= 20
    sink.close()


def test_a_full_disk_is_reported_and_earlier_clips_play(workplace, capsys):
    source = Camera()
    settings = EventSettings(workplace / "events", 1.0, 1.0)
    sink = EventSink("door", source, [parse_condition("bright > 0.5")], settings)
    feed(sink, [40] * 10 + [200] * 10)
    eventually(lambda: any("frames" in p.read_text() for p in Path("events").glob("[!.]*.json")))
    with no_file_beyond(100):
        for i, level in enumerate([40] * 10 + [200] * 10, 20):
            image = np.full((48, 64, 3), level, np.uint8)
            frame = Frame(image, "door", i, i / 10, 0.0)
            sink.watch(frame, Bright(level))
            assert sink.show(frame, image), "the loop continues"
        sink.close()
    assert "2 events of door, 1 clip" in sink.written()
    assert any("cannot be written" in problem for problem in source.problems)
    assert "visus: door: " in capsys.readouterr().err
    (first,) = (p for p in Path("events").glob("[!.]*.json") if "frames" in p.read_text())
    assert len(read_clip(first.with_suffix(".mp4"))) >= json.loads(first.read_text())["frames"]


def test_the_ring_is_bounded_in_seconds_and_bytes():
    ring = FrameRing(1.0, 1000)
    for i in range(50):
        ring.append(StoredFrame(i / 10, bytes(10)))
    assert [frame.time for frame in ring.frames()] == pytest.approx([i / 10 for i in range(39, 50)])
    for i in range(50, 60):
        ring.append(StoredFrame(i / 10, bytes(300)))
        assert sum(len(frame.jpeg) for frame in ring.frames()) <= 1000
    assert len(ring.frames()) == 3
    ring.append(StoredFrame(6.0, bytes(2000)))
    assert ring.frames() == []


def test_a_slow_disk_holds_neither_a_camera_nor_the_memory(workplace, monkeypatch):
    """What cannot be written in time is left out."""
    monkeypatch.setattr("visus.apps.live.events.recorder._PENDING_BYTES", 20_000)
    written, finished = [], []

    class SlowSink:
        def __init__(self, *_):
            pass

        def show(self, frame, drawn):
            time.sleep(0.01)
            written.append(frame.time)

        def close(self):
            pass

    monkeypatch.setattr("visus.apps.live.events.recorder.VideoSink", SlowSink)
    for live in (True, False):
        written.clear()
        recorder = Recorder(1.0, 10.0, live)
        clip = Clip(Path("x.mp4"), 100.0, lambda: None, lambda *result: finished.append(result))
        recorder.begin(clip)
        image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        slowest = 0.0
        for i in range(200):
            start = time.perf_counter()
            recorder.add(i / 10, image)
            slowest = max(slowest, time.perf_counter() - start)
        recorder.close()
        if live:
            assert len(written) < 200 and slowest < 0.5
        else:
            assert len(written) == 200, "a video waits"
        assert finished[-1][0] == len(written)


def test_a_video_has_the_same_events_however_fast_it_is_processed(visus, workplace, model):
    write_video(workplace / "a.avi", 100)
    code, _, err = visus(
        *("live", model[0], "a.avi", "--on", "any > 0.01 for 2s", "--save", "events"),
        *("--clip-length", "4s", "--jsonl", "o.jsonl"),
    )
    assert code == 0, err
    (path,) = Path("events").glob("a-*.json")
    event = json.loads(path.read_text())
    assert event["time"] == 2.0 and event["frames"] == 41
    assert len(lines(workplace / "o.jsonl")) == 100
    assert "wrote events: 1 event of a, 1 clip" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--on", "circle > 0.5"), "--on needs --save DIR"),
        (("--save", "d", "--jsonl", "-"), "--save needs --on CONDITION"),
        (("--on", "cirle > 0.5", "--save", "d"), "has no label 'cirle'; did you mean circle?"),
        (("--on", "circle", "--save", "d"), "argument --on: 'circle' is not a condition"),
        (
            ("--on", "any > 0", "--save", "d", "--clip-length", "700s"),
            "is not a duration from 1s to 10m",
        ),
        (("--on", "any > 0", "--save", "d", "--seconds", "4"), "here it is --clip-length"),
        (("--on", "any > 0", "--save", "d", "--cooldown", "5"), "'5' is not a duration"),
        (("--on", "any > 0", "--save", "d", "--webhook", "ftp://u:secret@h/x"), "--webhook ftp"),
        (("--on", "any > 0", "--save", "d", "--webhook", "http://u:secret@h/x"), "user and passw"),
    ],
)
def test_wrong_options_are_named(visus, workplace, model, arguments, words):
    write_video(workplace / "a.avi", 2)
    code, _, err = visus("live", model[0], "a.avi", *arguments)
    assert code == 2 and words in err and "secret" not in err, err
    assert len(err.strip().splitlines()) == 1
