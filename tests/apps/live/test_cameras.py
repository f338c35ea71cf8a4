"""Several cameras: fair turns, isolation of failures, figures and files of each."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.apps.live.test_loop import lines, write_video
from tests.conftest import PATIENCE, eventually
from visus.apps.live.cameras import Camera, in_turn
from visus.apps.live.loop import JsonLinesWriter, run_loop
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sources.base import Source
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.model import Model


class FakeSource(Source):
    """Sends a frame at each trigger, and ends after a number of them."""

    live = True

    def __init__(self, name, frames):
        super().__init__()
        self.name = name
        self.count = frames
        self.triggers = threading.Semaphore(0)
        self.sent = 0

    def frames(self):
        for i in range(self.count):
            self.triggers.acquire(timeout=PATIENCE)
            self.sent += 1
            yield Frame(np.full((8, 8, 3), i, np.uint8), self.name, i, i / 10, time.perf_counter())


class Words:
    """A prediction that is a line of text."""

    task = "classification"

    def __init__(self, text):
        self.text = text

    def to_json(self):
        return {"text": self.text}

    def summary(self):
        return self.text


class Counting(Model):
    """Counts the frames of its camera; fails at a frame of this brightness."""

    name, runtime, workers = "counting", "none", 1
    run = preprocess = set_option = precision = None
    metadata = SimpleNamespace(in_channels=3)

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.seen = []

    def predict_image(self, image):
        if image[0, 0, 0] == self.fails_at:
            raise VisusError("cannot be predicted")
        return Words(str(image[0, 0, 0]))

    def apply_state(self, prediction, time):
        self.seen.append((prediction.text, time))
        return prediction


class Keeping(Sink):
    """Keeps the frames, until the disk is full."""

    def __init__(self, room=1000):
        self.shown, self.notes, self.closed, self.room = [], [], 0, room

    def show(self, frame, drawn):
        if len(self.shown) >= self.room:
            raise VisusError("out.mp4: cannot be written (No space left on device)")
        self.shown.append((frame, drawn))
        return True

    def announce(self, note):
        self.notes.append(note)
        return True

    def written(self):
        return f"{len(self.shown)} frames"

    def close(self):
        self.closed += 1


@pytest.fixture
def plain(monkeypatch):
    """Predictions are not drawn."""
    monkeypatch.setattr("visus.apps.live.loop.draw_prediction", lambda image, *_: image)


def new_camera(name, frames, room=1000, **keywords):
    sink = Keeping(room)
    return Camera(FakeSource(name, frames), Counting(**keywords), [sink], name=name)


def test_cameras_take_turns_and_the_newest_frame_is_taken():
    cameras = [new_camera(name, 100) for name in "abc"]
    taken = in_turn(cameras)
    for camera in cameras:
        camera.source.triggers.release(1)
    first = [next(taken) for _ in range(3)]
    assert {camera.name for camera, _ in first} == {"a", "b", "c"}
    # One camera is ten times as fast; it has no more turns than the others that have frames.
    cameras[0].source.triggers.release(10)
    for camera in cameras[1:]:
        camera.source.triggers.release(1)
    eventually(lambda: [camera.source.sent for camera in cameras] == [11, 2, 2])
    time.sleep(0.05)
    second = [next(taken) for _ in range(3)]
    assert sorted(camera.name for camera, _ in second) == ["a", "b", "c"]
    frame = next(frame for camera, frame in second if camera.name == "a")
    assert frame.index == 10 and cameras[0].times.dropped == 9
    # A camera that always has a new frame takes no turn of the others.
    for camera in cameras:
        camera.source.triggers.release(1)
    names = []
    for sent in (12, 13, 14):
        eventually(lambda sent=sent: cameras[0].source.sent == sent)
        time.sleep(0.05)
        names.append(next(taken)[0].name)
        cameras[0].source.triggers.release(1)
    assert sorted(names) == ["a", "b", "c"]
    eventually(lambda: cameras[0].source.sent == 15)
    assert next(taken)[0].name == "a"
    # The others have none: the fast one alone is taken, and nothing waits.
    cameras[0].source.triggers.release(1)
    assert next(taken)[0].name == "a"
    for camera in cameras:
        camera.source.triggers.release(100)
    taken.close()


def test_the_loop_ends_with_the_last_camera_and_each_has_its_state(plain, workplace):
    cameras = [new_camera("door", 3), new_camera("yard", 5)]
    for camera in cameras:
        camera.source.triggers.release(5)
    writer = JsonLinesWriter("o.jsonl")
    result = run_loop(cameras, writer)
    entries = lines(workplace / "o.jsonl")
    assert result.frames == len(entries) and not result.problems
    for camera in cameras:
        own = [entry for entry in entries if entry["source"] == camera.name]
        assert [text for text, _ in camera.model.seen] == [entry["text"] for entry in own]
        assert [moment for _, moment in camera.model.seen] == [entry["time"] for entry in own]
        assert camera.times.state == "ended" and camera.sinks[0].closed == 1
        assert camera.times.report()["frames"] == len(own)
        assert len(own) + camera.times.dropped == camera.source.count


def test_an_output_that_fails_stops_neither_its_camera_nor_the_others(plain, workplace, capsys):
    cameras = [new_camera("door", 6, room=2), new_camera("yard", 6)]
    watched = []

    def broken(frame, prediction):
        watched.append(frame.index)
        raise VisusError("mesh.glb: cannot be written")

    cameras[1].watchers.append(broken)

    def trigger():
        for _ in range(6):
            before = [len(camera.model.seen) for camera in cameras]
            for camera in cameras:
                camera.source.triggers.release()
            eventually(
                lambda before=before: all(
                    len(camera.model.seen) > count
                    for camera, count in zip(cameras, before, strict=True)
                )
            )

    thread = threading.Thread(target=trigger)
    thread.start()
    result = run_loop(cameras)
    thread.join()
    assert result.frames == 12
    assert len(cameras[0].sinks[0].shown) == 2 and cameras[0].sinks[0].closed == 1
    assert len(cameras[1].sinks[0].shown) == 6 and watched == [0]
    assert result.problems == [
        "door: out.mp4: cannot be written (No space left on device)",
        "yard: mesh.glb: cannot be written",
    ]
    assert "visus: door: out.mp4: cannot be written" in capsys.readouterr().err


def test_a_single_source_is_stopped_by_an_output_that_fails(plain):
    camera = new_camera("", 3, room=1)
    camera.source.triggers.release(3)
    with pytest.raises(VisusError, match="No space left"):
        run_loop([camera])
    assert camera.sinks[0].closed == 1


def test_a_frame_that_cannot_be_predicted_is_one_problem_of_its_camera(plain):
    cameras = [new_camera("door", 1, fails_at=0), new_camera("yard", 1)]
    for camera in cameras:
        camera.source.triggers.release(1)
    result = run_loop(cameras)
    assert result.frames == 1 and result.problems == ["door: cannot be predicted"]


def test_a_state_that_cannot_be_updated_is_a_problem_of_its_camera_alone(plain):
    class Outside(Counting):
        def apply_state(self, prediction, time):
            raise VisusError("--line: lies outside of the image")

    cameras = [new_camera("door", 2), new_camera("yard", 1)]
    cameras[0].model = Outside()
    for camera in cameras:
        camera.source.triggers.release(2)
    result = run_loop(cameras)
    assert result.frames == 1 and [len(c.sinks[0].shown) for c in cameras] == [0, 1]
    assert result.problems == ["door: --line: lies outside of the image"]
    alone = Camera(FakeSource("door", 1), Outside(), [])
    alone.source.triggers.release(1)
    with pytest.raises(VisusError, match="outside of the image"):
        run_loop([alone])


def test_a_single_camera_of_a_file_drops_frames_as_others_do(plain):
    camera = new_camera("door", 20)
    camera.model.predict_image = lambda image: time.sleep(0.02) or Words("x")
    camera.source.triggers.release(20)
    assert run_loop([camera]).frames < 20 and camera.times.dropped > 0


def test_an_error_of_a_reading_thread_ends_its_camera_alone(plain, capsys):
    class Failing(FakeSource):
        def frames(self):
            raise MemoryError("too large")
            yield

    cameras = [Camera(Failing("a", 1), Counting(), name="a"), new_camera("b", 2)]
    cameras[1].source.triggers.release(2)
    result = run_loop(cameras)
    assert result.frames >= 1 and result.problems == ["a: too large"]
    assert cameras[0].times.state == "ended"
    assert "visus: a: too large" in capsys.readouterr().err


class Interrupted(Source):
    """Sends a note before the first frame, and one after it."""

    live = True

    def frames(self):
        image = np.full((8, 8, 3), 200, np.uint8)
        now = time.perf_counter()
        yield Frame(image[:1, :1], "x", 0, 0.0, now, note="no image for 1 s")
        yield Frame(image, "x", 0, 0.0, now)
        yield Frame(image, "x", 0, 0.0, now, note="no image for 5 s")


def test_nothing_that_is_concealed_is_shown_watched_or_repeated(plain):
    watched, sink = [], Keeping()

    def conceal(image, prediction):
        assert prediction.text == "200"
        return np.zeros_like(image)

    camera = Camera(
        Interrupted(), Counting(), [sink], [lambda f, _: watched.append(f.image)], conceal
    )
    run_loop([camera])
    assert sink.notes == ["no image for 1 s"]
    assert len(sink.shown) == 2 and sink.shown[1][0].note
    for image in (sink.shown[0][0].image, sink.shown[0][1], sink.shown[1][0].image, *watched):
        assert not image.any()
    # The repeated frame shows the note alone.
    assert (sink.shown[1][1][0] == 0).all()


def test_videos_are_played_as_cameras_with_a_file_each(visus, workplace, model):
    for name in ("a", "b"):
        write_video(workplace / f"{name}.avi", 10)
    start = time.perf_counter()
    code, _, err = visus(
        *("live", model[0], "a.avi", "b.avi", "--jsonl", "o.jsonl"),
        *("--video", "out.mp4", "--stats", "s.json"),
    )
    assert code == 0, err
    assert time.perf_counter() - start >= 0.9, "at their own speed"
    entries = lines(workplace / "o.jsonl")
    assert {entry["source"] for entry in entries} == {"a", "b"}
    assert sorted(path.name for path in workplace.glob("out*")) == ["out-a.mp4", "out-b.mp4"]
    report = json.loads(Path("s.json").read_text())["cameras"]
    assert list(report) == ["a", "b"]
    for camera in report.values():
        assert camera["frames"] + camera["dropped"] == 10 and camera["latency_ms"]["p99"] > 0


def test_the_page_shows_all_cameras_as_one_image(visus, workplace, model, monkeypatch):
    from visus.apps.live.serve.server import PageServer

    sizes, figures = set(), []
    show = PageServer.show

    def keep(self, frame, drawn):
        sizes.add(drawn.shape)
        figures.append(self.figures())
        return show(self, frame, drawn)

    monkeypatch.setattr(PageServer, "show", keep)
    for name in ("a", "b"):
        write_video(workplace / f"{name}.avi", 5)
    code, _, err = visus("live", model[0], "a.avi", "b.avi", "--serve", "0")
    assert code == 0, err
    assert sizes == {(720, 1280, 3)}
    assert any(line.startswith("2 of 2 cameras live") for line in figures)


def test_a_camera_that_cannot_be_opened_does_not_stop_the_others(visus, workplace, model):
    write_video(workplace / "a.avi", 20)
    threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()
    code, _, err = visus("live", model[0], "a.avi", "http://u:secret@127.0.0.1:9/x", "--jsonl", "o")
    assert code == 3 and "secret" not in err
    assert "visus: 127.0.0.1: cannot be opened; http://127.0.0.1:9/x: check the address" in err
    assert "127.0.0.1: could not be opened at the start" in err
    assert len(lines(workplace / "o")) > 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no source; name a camera's number"),
        (("a.avi", "b.png"), "2 sources, where one is expected"),
        (("a.avi", "nothing.mp4"), "source 'nothing.mp4': there is no such file"),
        (("a.avi", "-"), "give images or raw frames alone"),
        (("a.avi", "a.avi", "--size", "4x4"), "which can only be alone"),
        (("a.avi", "--cameras", "c.yaml"), "names all sources; leave out 'a.avi'"),
        (("a.avi", "b.avi", "--video", "a.mov"), "the file's suffix must be"),
        (("a.avi", "--beam", "3"), "unknown option --beam"),
    ],
)
def test_wrong_sources_are_named(visus, workplace, model, arguments, words):
    write_video(workplace / "a.avi", 2)
    write_video(workplace / "b.avi", 2)
    code, _, err = visus("live", model[0], *arguments, "--jsonl", "-")
    assert code == 2 and words in err, err
    assert len(err.strip().splitlines()) == 1
