"""Batches in the loop and in Python: in order, complete, bounded; an error affects one frame."""

import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.apps.live.test_loop import lines, write_video
from tests.apps.python.toy import classifier, detector
from visus.apps.inference.combined import combine
from visus.apps.live.batches import in_batches
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import JsonLinesWriter, run_loop
from visus.apps.live.sources import SampledSource, open_source
from visus.apps.live.stopping import delayed_stop
from visus.tasks.detection.tracked_model import TrackedModel
from visus.vision.errors import VisusError
from visus.vision.frames import Frame


def frame(i, side=1):
    return Frame(np.full((side, side, 3), i % 256, np.uint8), f"{i}", i, i / 10, 0.0)


@pytest.fixture
def folder(workplace):
    """Twenty images, each of another size and colour."""
    (workplace / "in").mkdir()
    for i in range(20):
        Image.new("RGB", (10 + i, 30 - i), (10 * i, 255 - 10 * i, i)).save(f"in/{i:02d}.png")
    return workplace / "in"


def predicted(model, source, batched=True, watchers=()):
    """The JSON Lines of the loop."""
    camera = Camera(open_source(str(source)), model, watchers=list(watchers))
    result = run_loop([camera], JsonLinesWriter("out.jsonl"), batched=batched)
    entries = lines(camera.source.files[0].parent.parent / "out.jsonl")
    assert result.frames == len(entries)
    return entries, result.problems


@given(st.integers(0, 40), st.integers(1, 9))
def test_frames_keep_their_order_in_batches(count, size):
    frames = [frame(i) for i in range(count)]
    batches = list(in_batches(iter(frames), size))
    assert [each for batch in batches for each in batch] == frames
    assert all(len(batch) == size for batch in batches[:-1])


def test_large_images_come_in_small_batches(monkeypatch):
    monkeypatch.setattr("visus.apps.live.batches._BATCH_BYTES", 3 * 300)
    batches = in_batches((frame(i, side=10) for i in range(7)), 8)
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_frames_before_an_error_of_the_source_are_predicted():
    def frames():
        yield from map(frame, range(5))
        raise VisusError("cut here")

    batches = in_batches(frames(), 3)
    assert [len(next(batches)), len(next(batches))] == [3, 2]
    with pytest.raises(VisusError, match="cut here"):
        next(batches)


def test_a_folder_is_predicted_in_batches_as_frame_by_frame(folder):
    model, network = classifier()
    together = predicted(model.inner, folder)
    assert network.runs == [8, 8, 4]
    network.runs.clear()
    assert predicted(model.inner, folder, batched=False) == together
    assert network.runs == [1] * 20
    assert [entry["source"] for entry in together[0]] == [str(p) for p in sorted(folder.iterdir())]


def test_a_video_is_predicted_in_batches_also_at_intervals(workplace):
    write_video(workplace / "v.avi", frames=20)
    model, network = classifier()
    for source, runs in (
        (open_source("v.avi"), [8, 8, 4]),
        (SampledSource(open_source("v.avi"), 0.2), [8, 2]),
    ):
        network.runs.clear()
        assert run_loop([Camera(source, model.inner)], batched=True).frames == sum(runs)
        assert network.runs == runs
    network.runs.clear()
    results = model.stream("v.avi")
    assert [result.index for result in results] == list(range(20))
    assert network.runs == [8, 8, 4]


def test_images_of_a_generator_are_predicted_one_by_one():
    model, network = classifier()
    taken = []

    def images():
        for i in range(3):
            taken.append(i)
            yield np.zeros((4, 4, 3), np.uint8)

    next(model.stream(images()))
    assert taken == [0] and network.runs == [1]


def test_tracks_follow_the_order_of_the_frames(workplace):
    write_video(workplace / "v.avi", frames=20)
    model = detector().inner
    expected = None
    for batched in (False, True):
        model.network.runs.clear()
        tracks = []
        watchers = [lambda _, prediction, to=tracks: to.append(prediction.tracks.tolist())]
        camera = Camera(open_source("v.avi"), TrackedModel(model), watchers=watchers)
        assert run_loop([camera], batched=batched).frames == 20
        assert max(model.network.runs) == (8 if batched else 1)
        assert any(tracks) and tracks == (expected or tracks)
        expected = tracks


def test_combined_models_take_batches_where_each_does(folder):
    (first, one), (second, other) = classifier(), classifier()
    both = combine([first.inner, second.inner])
    assert predicted(both, folder)[0][3]["and"][0]["classes"]
    assert one.runs == other.runs == [8, 8, 4]
    single, network = classifier(batches=False)
    predicted(combine([first.inner, single.inner]), folder)
    assert network.runs == [1] * 20
    # A prediction of the other model may depend on its earlier frames.
    assert one.runs == [8, 8, 4] + [1] * 20


def test_an_image_that_cannot_be_predicted_affects_no_other(folder):
    (folder / "03.png").write_bytes(b"no image")
    (folder / "05.png").unlink()
    np.save(folder / "05.npy", np.zeros((8, 8, 5), np.uint8))
    model, _ = classifier()
    entries, problems = predicted(model.inner, folder)
    names = {f"{i:02d}.png" for i in range(20)} - {"03.png", "05.png"}
    assert {entry["source"].rpartition("/")[2] for entry in entries} == names
    assert len(problems) == 2 and "03.png" in problems[0]
    assert "05.npy" in problems[1] and "5 channels" in problems[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("signals", "written"), [([10], 16), ([10, 12], 13)])
def test_computed_predictions_are_written_when_the_loop_is_stopped(
    folder, number, signals, written
):
    seen = []

    def watch(frame, prediction):
        seen.append(frame)
        if len(seen) - 1 in signals:
            os.kill(os.getpid(), number)

    model, network = classifier()
    before = signal.getsignal(number)
    entries, _ = predicted(model.inner, folder, watchers=[watch])
    assert len(entries) == written and network.runs == [8, 8]
    assert signal.getsignal(number) == before
    ahead = ("worker", "prefetch")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(ahead)]


def test_other_threads_handle_no_signals():
    finished = []

    def work():
        with delayed_stop():
            finished.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert finished
