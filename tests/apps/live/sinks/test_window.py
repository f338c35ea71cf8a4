"""The window: its keys, and the errors where there is none."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reliability.test_full_disk import no_file_beyond
from visus.apps.live.sinks.window import WindowSink, why_no_window
from visus.apps.live.sources.files import VideoSource
from visus.vision.errors import VisusError
from visus.vision.frames import Frame


@pytest.fixture
def window(workplace, monkeypatch):
    """A window without a display; the images that it shows, and the keys to press."""
    shown, keys = [], []
    monkeypatch.setattr("visus.apps.live.sinks.window.why_no_window", str)
    monkeypatch.setattr("cv2.namedWindow", lambda *_: None)
    monkeypatch.setattr("cv2.resizeWindow", lambda *_: None)
    monkeypatch.setattr("cv2.destroyAllWindows", lambda: None)
    monkeypatch.setattr("cv2.getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr("cv2.imshow", lambda _, image: shown.append(image.copy()))
    monkeypatch.setattr("cv2.waitKey", lambda _: ord(keys.pop(0)) if keys and keys[0] else -1)
    return WindowSink("test"), shown, keys


def test_keys_pause_quit_show_the_help_and_adjust(window):
    sink, shown, keys = window
    frame = Frame(np.zeros((200, 300, 3), np.uint8), "camera 0", 0, 0.0, 0.0)
    assert sink.show(frame, frame.image) and not shown[-1].any()
    keys += ["h"]
    assert sink.show(frame, frame.image)
    assert sink.show(frame, frame.image) and shown[-1].any(), "the help is shown"
    keys += ["h"]
    sink.show(frame, frame.image)
    changes = []
    sink.adjust = lambda step: changes.append(step) or "threshold"
    keys += ["+"]
    sink.show(frame, frame.image)
    keys += ["-"]
    sink.show(frame, frame.image)
    assert changes == [1, -1]
    # Paused, it shows the same frame until the space bar is pressed.
    count = len(shown)
    keys += [" ", "x", "x", " "]
    assert sink.show(frame, frame.image) and len(shown) == count + 4
    assert (shown[count + 1] != shown[count]).any(), "the line shows that it is paused"
    keys += ["q"]
    assert not sink.show(frame, frame.image)


def test_a_pause_holds_the_image_of_a_camera_but_not_the_loop(window):
    sink, shown, keys = window
    sink.live = True
    frames = [np.full((100, 200, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    for key, image, expected in zip((" ", "", " ", ""), frames, (10, 10, 10, 40), strict=True):
        keys[:] = [key] if key else []
        assert sink.show(Frame(image, "camera 0", 1, 0.0, 0.0), image)
        assert shown[-1][-1, -1, 0] == expected


def test_keys_write_snapshots_and_recordings_without_the_figures(window):
    sink, _, keys = window
    sink.figures = lambda: "25 frames/s"
    image = np.full((48, 64, 3), 90, np.uint8)
    keys += ["s"]
    sink.show(Frame(image, "camera 0", 0, 3.0, 0.0), image)
    (snapshot,) = Path().glob("visus-*.png")
    np.testing.assert_array_equal(np.asarray(Image.open(snapshot)), image)
    keys += ["r"]
    for i in range(11):
        sink.show(Frame(image, "camera 0", i, 3.0 + i * 0.04, 0.0), image)
    keys += ["r"]
    sink.show(Frame(image, "camera 0", 12, 3.44, 0.0), image)
    sink.close()
    (recording,) = Path().glob("visus-*.mp4")
    assert 9 <= VideoSource(recording).declared <= 13


# Without a file for the standard error stream, which the limit would concern too.
@pytest.mark.usefixtures("capsys")
def test_a_full_disk_is_shown_and_the_window_stays(window):
    sink, shown, keys = window
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    frame = Frame(image, "camera 0", 0, 3.0, 0.0)
    with no_file_beyond(100):
        for key in ("s", "r"):
            keys += [key]
            assert sink.show(frame, image)
            before = shown[-1]
            for i in range(1, 40):
                assert sink.show(Frame(image, "camera 0", i, 3.0 + i * 0.04, 0.0), image)
            keys += [key]
            assert sink.show(frame, image) and sink.show(frame, image)
            assert (shown[-1] != before).any(), "a message"
        # The second key may have begun another recording, where the first had failed already.
        with suppress(VisusError):
            sink.close()
    assert not list(Path().glob("visus-*.png"))


def test_an_image_is_shown_until_the_space_bar_is_pressed(window):
    sink, shown, keys = window
    image = Frame(np.zeros((40, 40, 3), np.uint8), "a.png", None, None, 0.0)
    keys += ["h", "h", " "]
    assert sink.show(image, image.image) and len(shown) == 3


def test_without_a_display_the_error_names_the_other_ways(visus, model):
    assert why_no_window()
    with pytest.raises(VisusError, match="--video"):
        WindowSink("x")
    code, _, err = visus("live", model[0], "0")
    assert code == 2 and "no display" in err
    assert all(option in err for option in ("--video", "--serve", "--jsonl"))


def test_a_display_that_does_not_respond_is_none(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    assert "no display" in why_no_window()


def test_a_wayland_display_alone_is_none(monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    assert "no display" in why_no_window()
