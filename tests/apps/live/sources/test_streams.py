"""Cameras, network streams and raw frames: the newest frame, reconnection, interruptions."""

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import PATIENCE, eventually
from visus.apps.live.sinks.window import WindowSink
from visus.apps.live.sources.files import VideoSource
from visus.apps.live.sources.raw import RawSource
from visus.apps.live.sources.streams import StreamSource, open_stream
from visus.vision.errors import VisusError


class FakeCamera:
    """Sends a frame every millisecond, each of a brighter grey, then ends."""

    def __init__(self, frames):
        self.sent = 0
        self.frames = frames
        self.released = threading.Event()

    def isOpened(self):
        return True

    def get(self, _):
        return 30.0

    def read(self):
        if self.sent >= self.frames:
            return False, None
        time.sleep(0.001)
        self.sent += 1
        return True, np.full((4, 4, 3), min(self.sent, 255), np.uint8)

    def release(self):
        self.released.set()


class Unplugged(FakeCamera):
    """Cannot be opened."""

    def __init__(self):
        super().__init__(0)

    def isOpened(self):
        return False


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("visus.apps.live.sources.streams._TIMEOUT", 0.2)
    monkeypatch.setattr("visus.apps.live.sources.streams._RETRY", 0.05)


class Triggered(FakeCamera):
    """Sends a frame for each trigger."""

    def __init__(self):
        super().__init__(200)
        self.requests = 0
        self.triggers = threading.Semaphore(0)

    def read(self):
        self.requests += 1
        self.triggers.acquire()
        return super().read()


def test_a_slow_consumer_gets_the_newest_frame():
    camera = Triggered()
    source = StreamSource("camera 0", lambda: camera, "plug it in")
    frames = source.frames()
    sent = 0
    for burst in (1, 5, 20):
        sent += burst
        camera.triggers.release(burst)
        if burst > 1:
            # When it reads the next frame, the earlier ones have been passed on.
            eventually(lambda sent=sent: camera.requests == sent + 1)
        assert next(frames).index == sent - 1
    assert source.dropped == sent - 3
    camera.triggers.release(200)
    frames.close()
    assert camera.released.wait(PATIENCE)


def test_an_interrupted_camera_is_reported_and_reopened(impatient, capsys):
    captures = iter([FakeCamera(5), Unplugged(), Unplugged(), Unplugged(), FakeCamera(5)])
    source = StreamSource("camera 0", lambda: next(captures, Unplugged()), "plug it in")
    notes, last_index, returned = [], -1, False
    for frame in source.frames():
        if frame.note:
            notes.append(frame.note)
            if returned:
                break
        else:
            returned = bool(notes)
            assert frame.index > last_index, "indices continue"
            last_index = frame.index
    assert returned and "no image for" in notes[0]
    printed = capsys.readouterr().err
    assert "reconnecting" in printed and "is back after" in printed
    assert source.problems[0] == "camera 0: was interrupted"


def test_a_camera_that_never_sends_a_frame_ends(impatient):
    source = StreamSource("camera 0", lambda: FakeCamera(0), "plug it in")
    assert list(source.frames()) == []
    assert "no frame for" in source.problems[0]
    with pytest.raises(VisusError, match="camera 1: cannot be opened; plug it in"):
        StreamSource("camera 1", Unplugged, "plug it in")


def test_an_interruption_is_shown_and_not_predicted(impatient, monkeypatch, visus, model):
    captures = iter([FakeCamera(5)])
    shown = []

    class Window(WindowSink):
        def __init__(self, title):
            pass

        figures = adjust = None

        def show(self, frame, drawn):
            shown.append((frame.note, drawn))
            return len([note for note, _ in shown if note]) < 2

        def close(self):
            pass

    monkeypatch.setattr("visus.apps.live.sinks.window.WindowSink", Window)
    monkeypatch.setattr(
        "visus.apps.live.sources.streams.open_camera",
        lambda index: StreamSource("camera 0", lambda: next(captures, Unplugged()), ""),
    )
    code, _, err = visus("live", model[0], "0", "--stats", "r.json")
    assert code == 3 and "was interrupted" in err
    predicted = [note for note, _ in shown if not note]
    assert json.loads(Path("r.json").read_text())["frames"] == len(predicted) >= 1


def test_a_stream_that_cannot_be_opened_is_reported_without_its_password(visus, model):
    address = "http://user:secret@127.0.0.1:9/x"
    code, out, err = visus("predict", model[0], address)
    assert code == 2 and "http://127.0.0.1:9/x: cannot be opened" in err
    assert "secret" not in out + err


class MotionJpeg(BaseHTTPRequestHandler):
    """A sequence of images, as network cameras send them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        for i in range(60):
            _, data = cv2.imencode(".jpg", np.full((48, 64, 3), 4 * i, np.uint8))
            head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data.tobytes() + b"\r\n")
            except OSError:
                return
            time.sleep(0.01)

    def log_message(self, *_):
        pass


def test_a_network_camera_is_read():
    server = ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = open_stream(f"http://user:secret@127.0.0.1:{server.server_port}/cam.mjpg")
        frame = next(iter(source.frames()))
    finally:
        server.shutdown()
        server.server_close()
    assert source.live and frame.image.shape == (48, 64, 3)
    assert frame.source == f"http://127.0.0.1:{server.server_port}/cam.mjpg"


def test_raw_frames_come_from_a_pipe(visus, model, monkeypatch):
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    source = RawSource(io.BytesIO(image.tobytes() * 2 + b"cut"), (4, 6))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1]
    np.testing.assert_array_equal(frames[1].image, image)
    assert "3 bytes after frame 2 are not a frame of 6 x 4" in source.problems[0]
    for arguments, words in (
        (("-",), "needs --size"),
        (("a.png", "--size", "4x4"), "no other source does"),
        (("-", "--size", "4*4"), "is not a size"),
        (("a.png", "--rate", "5"), "--rate 5"),
        (("-", "--size", "4x4", "--rate", "0"), "--rate 0"),
    ):
        code, _, err = visus("predict", model[0], *arguments)
        assert code == 2 and words in err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(48 * 64 * 3))))
    code, out, err = visus("predict", model[0], "-", "--size", "64x48")
    assert code == 0 and "standard input frame 0: " in out, err
    code, _, err = visus("predict", model[0], "-", "--size", "64x48")
    assert code == 3 and "holds no frame" in err
    # The video has the given frame rate, however fast the frames arrive.
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(48 * 64 * 3 * 20))))
    raw = ("-", "--size", "64x48", "--rate", "10")
    assert visus("live", model[0], *raw, "--video", "o.mp4")[0] == 0
    video = VideoSource(Path("o.mp4"))
    assert (video.rate, video.declared) == (10, 20)
