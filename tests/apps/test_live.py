import io
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from apps.live.sources import Frame, PictureSource, RawSource, VideoSource, open_source
from apps.live.streams import StreamSource, open_stream, without_secrets
from apps.live.times import LoopTimes
from apps.live.window import WindowSink, why_no_window
from tests.conftest import save_scene
from vision.errors import VisusError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny exported model, and the checkpoint it came from."""
    import os

    from apps.cli import main

    folder = tmp_path_factory.mktemp("model")
    before = os.getcwd()
    os.chdir(folder)
    os.environ.pop("VISUS_RUN_FOLDER", None)
    try:
        arguments = ["--model.backbone", "lenet5", "--trainer.precision", "32-true"]
        arguments += ["--trainer.max_epochs", "1", "--data.count", "32", "--data.num_workers", "0"]
        assert main(["fit", "--config", "classification/scenes", *arguments]) == 0
        run = next(folder.glob("runs/*/*/*"))
        assert main(["export", str(run), "--output", str(folder / "m.onnx")]) == 0
    finally:
        os.chdir(before)
    return folder / "m.onnx", run


def write_video(path, frames=20, codec="MJPG", size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), i * 10 % 256, np.uint8))
    writer.release()
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pictures_are_named_drawn_and_written(visus, workplace, photos, model):
    (photos / "circle" / "bad.jpg").write_text("text")
    code, _, err = visus("infer", model[0], photos, "--jsonl", "o/out.jsonl", "--draw", "drawn")
    assert code == 3
    assert "bad.jpg" in err and "20 read, 1 problems" in err
    entries = lines(workplace / "o" / "out.jsonl")
    assert len(entries) == 20 and entries[0]["width"] == 56 and entries[0]["height"] == 48
    # Names that occur in two folders do not overwrite each other.
    assert len(list((workplace / "drawn").iterdir())) == 20
    drawn = cv2.imread(str(workplace / "drawn" / "0.jpg"))
    assert drawn.shape == (48, 56, 3)


def test_json_lines_on_the_output_are_alone_there(visus, photos, model):
    code, out, _ = visus("infer", model[0], photos / "circle" / "*.png", "--jsonl", "-")
    assert code == 0
    assert all(json.loads(line)["task"] == "classification" for line in out.splitlines())


def test_a_video_keeps_every_frame(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("infer", model[0], "a.avi", "--jsonl", "out.jsonl", "--draw", "d")
    assert code == 0, err
    entries = lines(workplace / "out.jsonl")
    assert [entry["frame"] for entry in entries] == list(range(20))
    assert entries[5]["time"] == 0.5
    assert VideoSource(workplace / "d" / "a.mp4").declared == 20


def test_a_video_cut_in_half_tells_how_far_it_came(visus, workplace, model):
    whole = write_video(workplace / "whole.avi", 100)
    data = whole.read_bytes()
    (workplace / "cut.avi").write_bytes(data[: len(data) // 2])
    code, _, err = visus("infer", model[0], "cut.avi", "--jsonl", "out.jsonl")
    assert code == 3
    found = len(lines(workplace / "out.jsonl"))
    assert 40 < found < 60
    assert f"{found} of 100 frames" in err


def test_live_writes_a_video_and_needs_no_screen(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("live", model[0], "a.avi", "--video", "out.mp4")
    assert code == 0, err
    assert VideoSource(workplace / "out.mp4").declared == 20


def test_without_a_screen_it_says_so(visus, model):
    assert why_no_window()
    with pytest.raises(VisusError, match="--video"):
        WindowSink("x")
    code, _, err = visus("live", model[0], "0")
    assert code == 2 and "no screen" in err and "--video" in err


def test_a_screen_that_does_not_answer_is_none(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    assert "no screen" in why_no_window()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.png", "no such file"),
        ("*.nothing", "matches no picture"),
        ("empty", "holds no picture"),
        ("damaged.mp4", "cannot be opened"),
        ("99", "camera 99"),
    ],
)
def test_sources_that_are_none(workplace, source, words):
    (workplace / "empty").mkdir()
    (workplace / "damaged.mp4").write_text("no video")
    with pytest.raises(VisusError, match=words):
        open_source(source)


def test_a_picture_a_folder_and_a_glob(workplace):
    for i in range(3):
        save_scene(workplace / "p" / f"{i}.png", i)
    counts = [len(list(open_source(s).frames())) for s in ("p/0.png", "p", "p/[01].png")]
    assert counts == [1, 3, 2]
    assert isinstance(open_source("p"), PictureSource)


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
    """Is not there."""

    def __init__(self):
        super().__init__(0)

    def isOpened(self):
        return False


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("apps.live.streams._SILENCE", 0.2)
    monkeypatch.setattr("apps.live.streams._AGAIN", 0.05)


def test_a_slow_taker_gets_the_newest_frame(impatient):
    camera = FakeCamera(200)
    captures = iter([camera])
    source = StreamSource("camera 0", lambda: next(captures, Unplugged()), "plug it in")
    ages = []
    taken = 0
    for frame in source.frames():
        if frame.note:
            break
        taken += 1
        ages.append(camera.sent - 1 - frame.index)
        time.sleep(0.02)
    assert taken < 40 and source.dropped == 200 - taken
    # When it is taken, a frame is the newest there is.
    assert max(ages) <= 1
    assert camera.released.wait(1)


def test_an_interrupted_camera_is_noticed_and_taken_up_again(impatient, capsys):
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
            assert frame.index > last_index, "numbers go on"
            last_index = frame.index
    assert returned and "no picture for" in notes[0]
    told = capsys.readouterr().err
    assert "waiting for it to return" in told and "is back after" in told
    assert source.problems[0] == "camera 0: was interrupted"


def test_a_camera_that_never_sends_a_frame_ends(impatient):
    source = StreamSource("camera 0", lambda: FakeCamera(0), "plug it in")
    assert list(source.frames()) == []
    assert "has sent nothing" in source.problems[0]
    with pytest.raises(VisusError, match="camera 1: cannot be opened; plug it in"):
        StreamSource("camera 1", Unplugged, "plug it in")


def test_an_interruption_is_shown_and_not_predicted(impatient, monkeypatch, visus, model):
    captures = iter([FakeCamera(5)])
    shown = []

    class Window(WindowSink):
        def __init__(self, title):
            pass

        figures = change_threshold = None

        def show(self, frame, drawn):
            shown.append((frame.note, drawn))
            return len([note for note, _ in shown if note]) < 2

        def close(self):
            pass

    monkeypatch.setattr("apps.live.window.WindowSink", Window)
    monkeypatch.setattr(
        "apps.live.streams.open_camera",
        lambda index: StreamSource("camera 0", lambda: next(captures, Unplugged()), ""),
    )
    code, _, err = visus("live", model[0], "0", "--jsonl", "o.jsonl")
    assert code == 3 and "was interrupted" in err
    predicted = [note for note, _ in shown if not note]
    with open("o.jsonl") as file:
        assert len(file.readlines()) == len(predicted) >= 1


@pytest.fixture
def window(workplace, monkeypatch):
    """A window on a screen that is not there: what it shows, and keys that are pressed in turn."""
    shown, keys = [], []
    monkeypatch.setattr("apps.live.window.why_no_window", str)
    monkeypatch.setattr("cv2.namedWindow", lambda *_: None)
    monkeypatch.setattr("cv2.resizeWindow", lambda *_: None)
    monkeypatch.setattr("cv2.destroyAllWindows", lambda: None)
    monkeypatch.setattr("cv2.getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr("cv2.imshow", lambda _, picture: shown.append(picture.copy()))
    monkeypatch.setattr("cv2.waitKey", lambda _: ord(keys.pop(0)) if keys and keys[0] else -1)
    return WindowSink("test"), shown, keys


def test_keys_pause_quit_help_and_change_the_threshold(window):
    sink, shown, keys = window
    frame = Frame(np.zeros((200, 300, 3), np.uint8), "camera 0", 0, 0.0, 0.0)
    assert sink.show(frame, frame.image) and not shown[-1].any()
    keys += ["h"]
    assert sink.show(frame, frame.image)
    assert sink.show(frame, frame.image) and shown[-1].any(), "the help is shown"
    keys += ["h"]
    sink.show(frame, frame.image)
    changes = []
    sink.change_threshold = lambda change: changes.append(change) or "threshold"
    keys += ["+"]
    sink.show(frame, frame.image)
    keys += ["-"]
    sink.show(frame, frame.image)
    assert changes == [pytest.approx(0.05), pytest.approx(-0.05)]
    # Paused, it stays with the same frame until it is told to go on.
    count = len(shown)
    keys += [" ", "x", "x", " "]
    assert sink.show(frame, frame.image) and len(shown) == count + 4
    keys += ["q"]
    assert not sink.show(frame, frame.image)


def test_keys_keep_snapshots_and_recordings_without_the_figures(window):
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


def test_a_picture_stays_until_the_next_is_wanted(window):
    sink, shown, keys = window
    picture = Frame(np.zeros((40, 40, 3), np.uint8), "a.png", None, None, 0.0)
    keys += ["h", "h", " "]
    assert sink.show(picture, picture.image) and len(shown) == 3


def test_the_times_of_each_stage_are_reported(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("live", model[0], "a.avi", "--video", "o.mp4", "--report", "r/t.json")
    assert code == 0, err
    report = json.loads((workplace / "r" / "t.json").read_text())
    assert report["frames"] == 20 and report["dropped"] == 0
    assert report["frames_per_second"] > 0
    for stage in ("latency", "predict", "draw", "show"):
        levels = report[f"{stage}_ms"]
        assert 0 <= levels["median"] <= levels["p95"] <= levels["p99"]
    assert report["latency_ms"]["median"] >= report["predict_ms"]["median"]


def test_the_line_of_times_tells_rate_and_latency():
    source = type("Source", (), {"dropped": 7})()
    times = LoopTimes(source)
    assert times.line() == "" and times.report()["frames"] == 0
    for i in range(50):
        start = i * 0.1
        times.add(start - 0.02, start, start + 0.01, start + 0.015, start + 0.03)
    assert times.line() == ("10.0 frames/s  latency 50 predict 10 draw 5 show 15 ms  dropped 7")
    assert times.report()["latency_ms"]["p99"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/live?token=secret", "rtsp://10.0.0.7:554/live"),
        ("http://secret@cam/stream.mjpg#secret", "http://cam/stream.mjpg"),
        ("https://u:se@cret@cam/x", "https://cam/x"),
    ],
)
def test_addresses_are_shown_without_secrets(address, shown):
    assert without_secrets(address) == shown


def test_a_stream_that_cannot_be_opened_is_told_without_its_password(visus, model):
    address = "http://user:secret@127.0.0.1:9/x"
    code, out, err = visus("infer", model[0], address)
    assert code == 2 and "http://127.0.0.1:9/x: cannot be opened" in err
    assert "secret" not in out + err


class MotionJpeg(BaseHTTPRequestHandler):
    """A few pictures, one after the other, as network cameras send them."""

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
    assert "3 bytes after frame 2 are no frame of 6 x 4" in source.problems[0]
    for arguments, words in (
        (("-",), "needs --size"),
        (("a.png", "--size", "4x4"), "no other does"),
        (("-", "--size", "4*4"), "is no size"),
    ):
        code, _, err = visus("infer", model[0], *arguments)
        assert code == 2 and words in err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(48 * 64 * 3))))
    code, out, err = visus("infer", model[0], "-", "--size", "64x48")
    assert code == 0 and "standard input frame 0: " in out, err


def test_infer_with_an_exported_file_does_not_import_torch(photos, model):
    code = (
        "import sys; from apps.cli import main; "
        f"assert main(['infer', {str(model[0])!r}, {str(photos)!r}, '--draw', 'd']) == 0; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_runtimes_agree(visus, photos, model):
    onnx, run = model
    picture = photos / "cross" / "3.png"
    answers = []
    for target, runtime in ((run, "torch"), (onnx, "onnxruntime"), (onnx, "openvino")):
        code, out, err = visus("infer", target, picture, "--jsonl", "-", "--runtime", runtime)
        assert code == 0, err
        answers.append({c["label"]: c["score"] for c in json.loads(out)["classes"]})
    for other in answers[1:]:
        assert other == pytest.approx(answers[0], abs=2e-6)


def test_wrong_models_and_runtimes_are_named(visus, workplace, photos, model):
    onnx, run = model
    (workplace / "cut.onnx").write_bytes(onnx.read_bytes()[:1000])
    import onnx as onnx_library

    foreign = onnx_library.load(onnx)
    del foreign.metadata_props[:]
    onnx_library.save(foreign, "foreign.onnx")
    for arguments, words in (
        (("cut.onnx",), "cut.onnx"),
        (("foreign.onnx",), "no visus metadata"),
        ((onnx, "--runtime", "torch"), "torch cannot run it"),
        ((run, "--runtime", "openvino"), "visus export"),
        ((run, "--runtime", "abacus"), "abacus"),
        (("nothing",), "imagenet"),
        (("latest",), "visus fit"),
    ):
        code, _, err = visus("infer", arguments[0], photos, *arguments[1:])
        assert code == 2 and words in err, err
        assert len(err.strip().splitlines()) == 1


def test_explanations_are_written(visus, workplace, photos, model):
    code, _, err = visus("infer", model[1], photos / "circle" / "0.png", "--explain", "why")
    assert code == 0, err
    picture = cv2.imread(str(workplace / "why" / "0.jpg"))
    # The picture, three classes, saliency: five squares of 256 pixels.
    assert picture.shape[1] == 5 * 256
    code, _, err = visus("infer", model[0], photos, "--explain", "why")
    assert code == 2 and "gradients" in err


def test_the_python_door(photos, model):
    import visus as door
    from vision.images import read_image

    loaded = door.load(str(model[0]))
    path = photos / "circle" / "0.png"
    from_array, from_file = loaded.predict(read_image(path)), loaded.predict(path)
    assert from_array.top(1) == from_file.top(1)
    with pytest.raises(ValueError, match="a picture is uint8"):
        loaded.predict(np.zeros((4, 4, 3)))
    assert door.__version__


def test_a_source_is_never_overwritten(visus, workplace, model):
    picture = save_scene(workplace / "cat.jpg", 1)
    before = picture.read_bytes()
    for option in ("--draw", "--explain"):
        code, _, err = visus("infer", model[1], "cat.jpg", option, ".")
        assert code == 2 and "would be overwritten" in err
    write_video(workplace / "clip.mp4", codec="mp4v")
    clip = (workplace / "clip.mp4").read_bytes()
    assert visus("infer", model[0], "clip.mp4", "--draw", ".")[0] == 2
    assert visus("live", model[0], "clip.mp4", "--video", "clip.mp4")[0] == 2
    assert picture.read_bytes() == before and (workplace / "clip.mp4").read_bytes() == clip


def test_pictures_of_one_name_get_an_explanation_each(visus, workplace, photos, model):
    for label in ("circle", "cross"):
        for path in sorted((photos / label).iterdir())[1:]:
            path.unlink()
    assert visus("infer", model[1], photos, "--explain", "why")[0] == 0
    assert len(list((workplace / "why").iterdir())) == 2


def test_a_slow_models_video_keeps_the_cameras_pace(workplace):
    from apps.live.sinks import VideoSink
    from apps.live.sources import Frame

    sink = VideoSink(workplace / "slow.mp4", 30.0)
    image = np.zeros((48, 64, 3), np.uint8)
    for index in range(0, 60, 10):
        sink.show(Frame(image, "camera 0", index, index / 30, 0.0), image)
    sink.close()
    assert VideoSource(workplace / "slow.mp4").declared == 51


def test_a_wayland_display_alone_is_no_screen(monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    assert "no screen" in why_no_window()


def test_an_exported_file_of_another_task_is_named(visus, workplace, photos, model):
    import onnx as onnx_library

    file = onnx_library.load(model[0])
    entry = json.loads(file.metadata_props[0].value)
    onnx_library.helper.set_model_props(file, {"visus": json.dumps({**entry, "task": "juggling"})})
    onnx_library.save(file, "other.onnx")
    onnx_library.helper.set_model_props(file, {"visus": "{"})
    onnx_library.save(file, "broken.onnx")
    for name, words in (("other.onnx", "juggling"), ("broken.onnx", "cannot be loaded")):
        code, _, err = visus("infer", name, photos)
        assert code == 2 and words in err and name in err


def test_no_picture_beside_the_sources_is_written_over(visus, photos):
    folder = photos / "circle"
    Image.open(folder / "1.png").convert("RGB").save(folder / "1.jpg")
    kept = (folder / "1.jpg").read_bytes()
    code, _, err = visus("infer", "imagenet", folder / "1.png", "--draw", folder)
    assert code == 2 and "lies beside the source" in err
    assert (folder / "1.jpg").read_bytes() == kept
