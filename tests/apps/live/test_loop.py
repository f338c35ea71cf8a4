"""Images and videos through predict and live: outputs and refusals."""

import json
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import PATIENCE, save_scene
from visus.apps.inference.loading import load_model
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import JsonLinesWriter, run_loop
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.video import VideoSink
from visus.apps.live.sources import open_source
from visus.apps.live.sources.files import ImageSource, VideoSource
from visus.apps.live.times import LoopTimes
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.model import Model


def write_video(path, frames=20, codec="MJPG", size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), i * 10 % 256, np.uint8))
    writer.release()
    return path


def start(*arguments):
    """Run visus beside the test, as from a terminal: background jobs of scripts ignore Ctrl+C."""
    command = [Path(sys.executable).with_name("visus"), *arguments]
    heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, preexec_fn=heed)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_images_are_predicted_drawn_and_written(visus, workplace, photos, model):
    (photos / "circle" / "bad.jpg").write_text("text")
    code, _, err = visus("predict", model[0], photos, "--jsonl", "o/out.jsonl", "--draw", "drawn")
    assert code == 3
    assert "bad.jpg" in err and "20 read, 1 problem" in err
    entries = lines(workplace / "o" / "out.jsonl")
    assert len(entries) == 20 and entries[0]["width"] == 56 and entries[0]["height"] == 48
    # Names that occur in two folders do not overwrite each other.
    assert len(list((workplace / "drawn").iterdir())) == 20
    drawn = cv2.imread(str(workplace / "drawn" / "0.jpg"))
    # The scores of so small an image are below it.
    assert drawn.shape[0] > 48 and drawn.shape[1] > 56


def test_json_lines_on_the_output_are_alone_there(visus, photos, model):
    code, out, _ = visus("predict", model[0], photos / "circle" / "*.png", "--jsonl", "-")
    assert code == 0
    assert all(json.loads(line)["task"] == "classification" for line in out.splitlines())


def test_a_video_keeps_every_frame(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("predict", model[0], "a.avi", "--jsonl", "out.jsonl", "--draw", "d")
    assert code == 0, err
    entries = lines(workplace / "out.jsonl")
    assert [entry["frame"] for entry in entries] == list(range(20))
    assert entries[5]["time"] == 0.5
    assert VideoSource(workplace / "d" / "a.mp4").declared == 20


def test_a_truncated_video_reports_its_number_of_frames(visus, workplace, model):
    whole = write_video(workplace / "whole.avi", 100)
    data = whole.read_bytes()
    (workplace / "cut.avi").write_bytes(data[: len(data) // 2])
    code, _, err = visus("predict", model[0], "cut.avi", "--jsonl", "out.jsonl")
    assert code == 3
    count = len(lines(workplace / "out.jsonl"))
    assert 40 < count < 60
    assert f"{count} of 100 frames" in err


def test_live_writes_a_video_and_needs_no_screen(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("live", model[0], "a.avi", "--video", "out.mp4")
    assert code == 0, err
    assert VideoSource(workplace / "out.mp4").declared == 20


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.png", "no such file"),
        ("*.nothing", "matches no image"),
        ("empty", "holds no image"),
        ("damaged.mp4", "is not a video in a known format"),
        ("99", "camera 99"),
    ],
)
def test_sources_that_cannot_be_opened(workplace, source, words):
    (workplace / "empty").mkdir()
    (workplace / "damaged.mp4").write_text("no video")
    with pytest.raises(VisusError, match=words):
        open_source(source)


def test_an_image_a_folder_and_a_glob(workplace):
    for i in range(3):
        save_scene(workplace / "p" / f"{i}.png", i)
    counts = [len(list(open_source(s).frames())) for s in ("p/0.png", "p", "p/[01].png")]
    assert counts == [1, 3, 2]
    assert isinstance(open_source("p"), ImageSource)


def test_the_times_of_each_stage_are_reported(visus, workplace, model):
    write_video(workplace / "a.avi")
    code, _, err = visus("live", model[0], "a.avi", "--video", "o.mp4", "--stats", "r/t.json")
    assert code == 0, err
    report = json.loads((workplace / "r" / "t.json").read_text())
    assert report["frames"] == 20 and report["dropped"] == 0
    assert report["frames_per_second"] > 0
    for stage in ("latency", "predict", "draw", "show"):
        levels = report[f"{stage}_ms"]
        assert 0 <= levels["median"] <= levels["p95"] <= levels["p99"]
    assert report["latency_ms"]["median"] >= report["predict_ms"]["median"]


def test_the_line_of_times_shows_rate_and_latency():
    source = type("Source", (), {"dropped": 7})()
    times = LoopTimes(source)
    assert times.line() == "" and times.report()["frames"] == 0
    for i in range(50):
        times.add(i * 0.1, 0.05, 0.01, 0.005, 0.015)
    assert times.line() == ("10.0 frames/s  latency 50 predict 10 draw 5 show 15 ms  dropped 7")
    assert times.report()["latency_ms"]["p99"] == pytest.approx(50)


def test_predict_with_an_exported_file_does_not_import_torch(photos, model):
    code = (
        "import sys; from visus.apps.cli import main; "
        f"assert main(['predict', {str(model[0])!r}, {str(photos)!r}, '--draw', 'd']) == 0; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_runtimes_agree(visus, photos, model):
    onnx, run = model
    image = photos / "cross" / "3.png"
    answers = []
    for target, runtime in ((run, "torch"), (onnx, "onnxruntime"), (onnx, "openvino")):
        code, out, err = visus("predict", target, image, "--jsonl", "-", "--runtime", runtime)
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
        code, _, err = visus("predict", arguments[0], photos, *arguments[1:])
        assert code == 2 and words in err, err
        assert len(err.strip().splitlines()) == 1


def test_explanations_are_written(visus, workplace, photos, model):
    code, _, err = visus("predict", model[1], photos / "circle" / "0.png", "--explain", "why")
    assert code == 0, err
    image = cv2.imread(str(workplace / "why" / "0.jpg"))
    # The image, three classes, saliency, occlusion: six squares of 256 pixels.
    assert image.shape[1] == 6 * 256
    # An exported file is explained by occlusion alone.
    one = photos / "circle" / "0.png"
    code, _, err = visus("predict", model[0], one, "--explain", "exported")
    assert code == 0, err
    assert cv2.imread("exported/0.jpg").shape[1] == 2 * 256
    (workplace / "file").write_text("x")
    code, _, err = visus("predict", model[0], one, "--explain", "file")
    assert code == 2 and "--explain file: is a file; name a folder" in err


def test_images_of_all_sizes_become_one_video_and_keep_their_shape(visus, workplace, model):
    (workplace / "in").mkdir()
    cv2.imwrite("in/a.png", np.full((1, 1, 3), 255, np.uint8))
    cv2.imwrite("in/b.png", np.full((40, 400, 3), 255, np.uint8))
    code, _, err = visus("live", model[0], "in", "--video", "O.MP4", "--jsonl", "-")
    assert code == 0, err
    frames = [frame.image for frame in VideoSource(Path("O.MP4")).frames()]
    assert [frame.shape for frame in frames] == [(16, 16, 3)] * 2
    # Ten times as wide as high, in the middle between grey.
    assert (frames[1][[0, -1]].mean((1, 2)) < 150).all() and frames[1][8].mean() > 180


def test_a_source_is_never_overwritten(visus, workplace, model):
    image = save_scene(workplace / "cat.jpg", 1)
    before = image.read_bytes()
    for option in ("--draw", "--explain"):
        code, _, err = visus("predict", model[1], "cat.jpg", option, ".")
        assert code == 2 and "would be overwritten" in err
    write_video(workplace / "clip.mp4", codec="mp4v")
    clip = (workplace / "clip.mp4").read_bytes()
    assert visus("predict", model[0], "clip.mp4", "--draw", ".")[0] == 2
    for option in ("--video", "--jsonl", "--stats"):
        code, _, err = visus("live", model[0], "clip.mp4", "--jsonl", "-", option, "clip.mp4")
        assert code == 2 and "would be overwritten" in err
    assert visus("predict", model[0], ".", "--jsonl", "cat.jpg")[0] == 2
    assert visus("live", "imagenet", "cat.jpg", "--jsonl", "a.mp4", "--video", "a.mp4")[0] == 2
    code, _, err = visus("live", model[0], "clip.mp4", "--video", "http://u:secret@h/x.mp4")
    assert code == 2 and "is an address" in err and "secret" not in err
    assert image.read_bytes() == before and (workplace / "clip.mp4").read_bytes() == clip


def test_images_of_one_name_get_an_explanation_each(visus, workplace, photos, model):
    for label in ("circle", "cross"):
        for path in sorted((photos / label).iterdir())[1:]:
            path.unlink()
    assert visus("predict", model[1], photos, "--explain", "why")[0] == 0
    assert len(list((workplace / "why").iterdir())) == 2


def test_the_video_of_a_slow_model_keeps_the_frame_rate_of_the_camera(workplace):
    from visus.apps.live.sinks.video import VideoSink

    sink = VideoSink(workplace / "slow.mp4", 30.0)
    image = np.zeros((48, 64, 3), np.uint8)
    for index in range(0, 60, 10):
        sink.show(Frame(image, "camera 0", index, index / 30, 0.0), image)
    sink.close()
    assert VideoSource(workplace / "slow.mp4").declared == 51


def test_an_exported_file_of_another_task_is_named(visus, workplace, photos, model):
    import onnx as onnx_library

    file = onnx_library.load(model[0])
    entry = json.loads(file.metadata_props[0].value)
    onnx_library.helper.set_model_props(file, {"visus": json.dumps({**entry, "task": "juggling"})})
    onnx_library.save(file, "other.onnx")
    onnx_library.helper.set_model_props(file, {"visus": "{"})
    onnx_library.save(file, "broken.onnx")
    for name, words in (("other.onnx", "juggling"), ("broken.onnx", "cannot be loaded")):
        code, _, err = visus("predict", name, photos)
        assert code == 2 and words in err and name in err


def test_a_sink_that_fails_to_close_does_not_prevent_the_others_from_closing(
    workplace, photos, model
):
    class Broken(Sink):
        def show(self, frame, drawn):
            return True

        def close(self):
            raise OSError("the disk is full")

    clip = VideoSource(write_video(workplace / "clip.avi"))
    with pytest.raises(OSError, match="the disk is full"):
        sinks = [Broken(), VideoSink(workplace / "o.mp4", 10), Broken()]
        run_loop([Camera(clip, load_model(str(model[0])), sinks)])
    assert len(list(VideoSource(workplace / "o.mp4").frames())) == 20


def test_an_error_of_the_network_leaves_no_reading_thread(workplace, model):
    whole = load_model(str(model[0]), "onnxruntime")

    class Failing(Model):
        name, runtime, metadata, workers = "failing", whole.runtime, whole.metadata, 1

        run = preprocess = set_option = None

        def predict_image(self, image):
            raise MemoryError("too large")

    clip = VideoSource(write_video(workplace / "clip.avi"))
    with pytest.raises(MemoryError) as held:
        run_loop([Camera(clip, Failing())])
    # The traceback holds the stack frames, and with them all generators that are not closed.
    assert held.value.__traceback__
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_parallel_predictions_are_the_same(workplace, model, runtime):
    write_video(workplace / "v.avi", frames=30)
    for workers in (1, 3):
        loaded = load_model(str(model[0]), runtime, workers)
        assert loaded.workers == workers
        writer = JsonLinesWriter(f"{workers}.jsonl")
        camera = Camera(VideoSource(workplace / "v.avi"), loaded)
        assert run_loop([camera], writer).frames == 30
    alone, together = (lines(workplace / f"{workers}.jsonl") for workers in (1, 3))
    assert [entry["frame"] for entry in together] == list(range(30))
    for one, other in zip(alone, together, strict=True):
        scores = ([each["score"] for each in entry.pop("classes")] for entry in (one, other))
        np.testing.assert_allclose(*scores, atol=1e-4)
        assert one == other


def test_state_is_applied_in_the_order_of_the_frames(workplace, model):
    whole = load_model(str(model[0]), "onnxruntime")
    followed = []

    class Uneven(Model):
        name, runtime, metadata, workers = "uneven", whole.runtime, whole.metadata, 3

        run = preprocess = set_option = None

        def predict_image(self, image):
            number = round(image[0, 0, 0] / 10)
            # The first of three is finished last.
            time.sleep(0.02 * (3 - number % 3))
            return number, whole.predict_image(image)

        def apply_state(self, prediction, time):
            followed.append(prediction[0])
            return prediction[1]

    source = VideoSource(write_video(workplace / "v.avi", frames=12))
    assert run_loop([Camera(source, Uneven())]).frames == 12
    assert followed == list(range(12))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_video_is_finished_when_live_is_stopped(workplace, model, number):
    live = start("live", model[0], "-", "--size", "64x48", "--video", "o.mp4", "--jsonl", "-")
    live.stdin.write(bytes(64 * 48 * 3 * 5))
    live.stdin.flush()
    for index in range(5):
        assert json.loads(live.stdout.readline())["frame"] == index
    live.send_signal(number)
    assert live.wait(PATIENCE) == 0
    # A stream's video keeps its pace: frames that came at once are not all in it.
    assert list(VideoSource(workplace / "o.mp4").frames())


def test_several_models_predict_the_same_frames(visus, workplace, model):
    write_video(workplace / "v.avi", frames=3)
    onnx, run = model
    arguments = ("v.avi", "--and", run, "--video", "o.mp4", "--jsonl", "o.jsonl")
    code, _, err = visus("live", onnx, *arguments)
    assert code == 0, err
    entries = lines(workplace / "o.jsonl")
    assert len(entries) == 3
    for entry in entries:
        (other,) = entry["and"]
        assert other["model"] == str(run)
        assert other["classes"][0]["label"] == entry["classes"][0]["label"]
    code, _, err = visus("live", onnx, "v.avi", "--and", "nothing", "--video", "o.mp4")
    assert code == 2 and "'nothing'" in err
    code, _, err = visus("live", onnx, "v.avi", "--and", run, "--threshold", "0.3", "--serve", "0")
    assert code == 2 and "--threshold belongs to" in err
    assert f"{str(onnx)!r} is a classification model and {str(run)!r} is a class" in err
