"""Sources among several cameras: videos at their own speed, cameras that are away at the start."""

import time
from types import SimpleNamespace

import pytest

from tests.apps.live.test_loop import write_video
from tests.conftest import eventually
from tests.simulated_cameras import SimulatedCamera, grey
from visus.apps.live.sources.site import open_beside_others, wait_until_opened
from visus.vision.errors import VisusError


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("visus.apps.live.sources.streams._TIMEOUT", 0.5)
    monkeypatch.setattr("visus.apps.live.sources.streams._RETRY", 0.1)


def test_a_video_is_played_at_its_own_speed(workplace):
    write_video(workplace / "a.avi", 6)
    source = open_beside_others("a.avi", "door")
    assert (source.live, source.still, source.stored, source.rate) == (True, False, False, 10)
    start = time.perf_counter()
    arrived = [(frame.time, frame.captured - start) for frame in source.frames()]
    assert len(arrived) == 6
    for moment, seconds in arrived:
        assert moment <= seconds + 1e-3


@pytest.mark.parametrize("source", ["a.png", "-"])
def test_images_and_raw_frames_can_only_be_alone(workplace, source):
    (workplace / "a.png").write_bytes(b"")
    with pytest.raises(VisusError, match="give images or raw frames alone"):
        open_beside_others(source, "door")


def test_a_camera_that_comes_later_and_returns(impatient, capsys):
    camera = SimulatedCamera([grey(100), grey(200)], rate=50)
    camera.unplug()
    source = open_beside_others(camera.address, "door")
    wait_until_opened(source)
    assert source.problems == ["door: could not be opened at the start"]
    frames = source.frames()
    try:
        notes = [next(frames) for _ in range(3)]
        assert all(frame.note.startswith("no image for") for frame in notes)
        camera.plug_in()
        frame = next(frame for frame in frames if not frame.note)
        assert frame.image.shape == (48, 64, 3) and frame.source == "door"
        camera.unplug()
        assert next(frame for frame in frames if frame.note).image.shape == (48, 64, 3)
        camera.plug_in()
        eventually(lambda: not next(frames).note)
    finally:
        frames.close()
        camera.unplug()
    printed = capsys.readouterr().err
    assert f"door: cannot be opened; {camera.address}: check the address" in printed
    assert "door: is back after" in printed
    assert source.problems[1:] == ["door: was interrupted"]


def test_sources_that_are_open_are_not_waited_for():
    wait_until_opened(SimpleNamespace())
