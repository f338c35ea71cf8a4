"""Captioning through the command line: beam search, drawing, clips, live, export, the report."""

import json
import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PATIENCE, eventually, newest_metrics, save_captions
from tests.reporting import check_report, shorten
from tests.tasks.detection.test_commands import write_clip
from tests.training import train_in
from visus.apps.inference.loading import load_model
from visus.apps.live.sources.files import VideoSource
from visus.apps.live.throttled import ThrottledModel
from visus.tasks.captioning.meteor import meteor
from visus.tasks.captioning.metrics import CaptionRecord
from visus.vision.frames import Frame
from visus.vision.images import read_image
from visus.vision.model_wrapper import ModelWrapper
from visus.vision.scenes import make_scene

TINY = [
    "--model.backbone",
    "test_resnet",
    "--model.pretrained",
    "false",
    "--model.hidden_size",
    "32",
]
SHORT = ["--trainer.max_epochs", "2", "--data.num_workers", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run folder of a tiny captioning model, trained for two epochs."""
    folder = tmp_path_factory.mktemp("captioner")
    scenes = ["--data.count", "64", "--data.image_size", "[64,64]", "--data.batch_size", "4"]
    return train_in(folder, "--config", "captioning/scenes", *TINY, *SHORT, *scenes)


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_predict_writes_captions_and_draws_attention_maps(visus, workplace, run):
    save_captions(workplace / "in", 2)
    code, out, err = visus("predict", run, "in", "--beam", "4", "--jsonl", "o.jsonl", "--draw", "d")
    assert code == 0, err
    for entry in lines("o.jsonl"):
        assert entry["task"] == "captioning" and 0 <= entry["score"] <= 1
        captions = [item["caption"] for item in entry["captions"]]
        assert captions[0] == entry["caption"] and len(captions) == len(set(captions)) == 4
        scores = [item["score"] for item in entry["captions"]]
        assert scores == sorted(scores, reverse=True) and scores[0] == entry["score"]
        assert entry["caption"] in out
    # Beside the image are its attention maps, one a word.
    drawn = read_image(Path("d/p0.jpg"))
    assert drawn.shape[1] > 1.2 * drawn.shape[0] > 56 / 48
    assert visus("predict", run, "in", "--beam", "1", "--jsonl", "g.jsonl")[0] == 0
    assert "captions" not in lines("g.jsonl")[0]
    assert visus("predict", run, "in", "--beam", "0")[0] == 2
    code, _, err = visus("predict", run, "in", "--every", "2s")
    assert code == 2 and "--every is for videos" in err


def test_attention_maps_cover_the_image(workplace, run):
    image = np.asarray(Image.effect_noise((90, 60), 80).convert("RGB"))
    prediction = load_model(str(run)).predict(image)
    assert (
        len(prediction.words) == len(prediction.attention_maps) == len(prediction.caption.split())
    )
    for i in range(len(prediction.words)):
        assert prediction.attention_maps[i].sum() == pytest.approx(1, abs=1e-4)
        attention = prediction.attention_map(i)
        assert attention.shape == (60, 90) and attention.max() == pytest.approx(1)


def test_a_clip_is_captioned_at_intervals_and_as_a_whole(visus, workplace, run):
    write_clip(workplace / "a.mp4")
    code, out, err = visus(
        "predict", run, "a.mp4", "--every", "0.5s", "--summary", "--jsonl", "o.jsonl"
    )
    assert code == 0, err
    times = [entry["time"] for entry in lines("o.jsonl")]
    assert len(times) > 1 and np.allclose(np.diff(times), 0.5, atol=0.11), times
    assert "a.mp4: as a whole: " in out
    code, _, err = visus("predict", run, "a.mp4", "--every", "soon")
    assert code == 2 and "'soon' is not a duration" in err


class SlowModel(ModelWrapper):
    """Predicts the first image at once, and the second when the test allows it."""

    def __init__(self, model):
        super().__init__(model)
        self.calls = 0
        self.proceed = threading.Event()

    def predict_image(self, image):
        self.calls += 1
        if self.calls == 2:
            assert self.proceed.wait(PATIENCE)
        return self.model.predict_image(image)


def test_a_camera_never_waits_for_its_caption(run):
    class Camera:
        still, live, rate = False, True, 10.0

    slow = SlowModel(load_model(str(run)))
    throttled = ThrottledModel(slow, Camera())
    image = np.zeros((64, 64, 3), np.uint8)
    frames = (Frame(image, "camera 0", i, i / 10, 0.0) for i in count())
    first = throttled.predict_frame(next(frames)).caption
    for _ in range(40):
        assert throttled.predict_frame(next(frames)).caption == first
    # The second prediction is still running, and no frame has waited for it.
    eventually(lambda: slow.calls == 2)
    assert not slow.proceed.is_set()
    slow.proceed.set()
    eventually(lambda: throttled.predict_frame(next(frames)) and slow.calls > 2)


def test_live_draws_the_caption_on_a_clip(visus, workplace, run):
    write_clip(workplace / "a.mp4")
    code, _, err = visus("live", run, "a.mp4", "--video", "o.mp4", "--jsonl", "o.jsonl")
    assert code == 0, err
    assert Path("o.mp4").stat().st_size > 0 and lines("o.jsonl")[0]["caption"] is not None


def test_live_captions_every_image_of_a_folder(visus, workplace, run):
    save_captions(workplace / "in", 3)
    assert visus("live", run, "in", "--video", "o.mp4", "--jsonl", "live.jsonl")[0] == 0
    assert visus("predict", run, "in", "--jsonl", "predict.jsonl")[0] == 0
    assert lines("live.jsonl") == lines("predict.jsonl")
    assert len({entry["score"] for entry in lines("live.jsonl")}) == 3


def test_the_report_renders_each_scene_a_few_times_only(visus, workplace, run, monkeypatch):
    rendered = []
    monkeypatch.setattr(
        "visus.datamodules.captioning.scenes.make_scene",
        lambda *arguments: rendered.append(arguments) or make_scene(*arguments),
    )
    code, _, err = visus("test", run, "--data.count", "60", "--data.num_workers", "0")
    assert code == 0, err
    assert 60 < len(rendered) < 60 * 4


def test_the_summary_of_a_stream_shows_no_password(visus, workplace, run, monkeypatch):
    write_clip(workplace / "a.mp4")
    monkeypatch.setattr(
        "visus.apps.live.sources.streams.open_stream", lambda _: VideoSource(Path("a.mp4"))
    )
    code, out, err = visus("predict", run, "rtsp://user:secret@cam/live", "--summary")
    assert code == 0, err
    assert "rtsp://cam/live: as a whole: " in out and "secret" not in out + err


def test_an_exported_model_predicts_the_same_captions(visus, workplace, run):
    save_captions(workplace / "in", 4)
    code, out, err = visus("export", run, "--output", "m.onnx", "--images", "in")
    assert code == 0, err
    assert "openvino" in out and "onnxruntime" in out
    assert visus("predict", run, "in", "--beam", "1", "--jsonl", "a.jsonl")[0] == 0
    for runtime in ("onnxruntime", "openvino"):
        code, _, err = visus("predict", "m.onnx", "in", "--jsonl", "b.jsonl", "--runtime", runtime)
        assert code == 0, err
        for found, expected in zip(lines("b.jsonl"), lines("a.jsonl"), strict=True):
            assert found["caption"] == expected["caption"]
            assert found["score"] == pytest.approx(expected["score"], abs=1e-4)
    # In int8 the decoder stays in float; both runtimes load the file.
    quantised = ["--output", "q.onnx", "--precision", "int8", "--calibration", "in"]
    code, out, err = visus("export", run, *quantised)
    assert code == 0, err
    assert "openvino" in out and "onnxruntime" in out
    assert Path("q.onnx").stat().st_size < Path("m.onnx").stat().st_size
    code, _, err = visus("predict", "m.onnx", "in", "--beam", "3")
    assert code == 2 and "--beam needs a model in PyTorch" in err
    code, _, err = visus("predict", "m.onnx", "in", "--summary")
    assert code == 2 and "--summary needs a model in PyTorch" in err


def test_two_processes_measure_as_one_does(same_by_two_processes, run):
    same_by_two_processes(run, "--data.count", "20", "--data.batch_size", "2")


def test_a_frozen_backbone_trains_on_cached_features_and_is_compared_with_a_consensus(
    visus, workplace, monkeypatch
):
    monkeypatch.setenv("VISUS_CACHE", str(workplace / "cache"))
    save_captions(workplace / "set", 14)
    own = ["--data.root", "set", "--data.min_count", "1", "--data.image_size", "[64,64]"]
    code, out, err = visus("fit", "--config", "captioning/custom", *TINY, *SHORT, *own)
    assert code == 0, err
    assert "words" in out
    assert len(list((workplace / "cache" / "features").iterdir())) == 13
    code, out, err = visus("test", "latest")
    assert code == 0, err
    assert "METEOR is left out; it needs" in out
    assert "nearest training images" in out and "paired bootstrap" in out
    metrics = newest_metrics()
    assert metrics["test/gain_low"] <= metrics["test/gain_high"]
    assert 0 <= metrics["test/consensus_bleu_1"] <= 1
    # Other data than those of the training, all of which is tested.
    save_captions(workplace / "other", 5)
    code, out, err = visus("test", "latest", "--data.root", "other")
    assert code == 0, err
    assert "no consensus to compare with" in out


def test_the_check_counts_images_captions_and_words(visus, workplace):
    root = save_captions(workplace / "set", 6)
    code, out, err = visus("data", "check", "set")
    assert code == 0, err
    assert "12" in out and "fewer than three times" in out and "no problems" in out
    content = json.loads((root / "captions.json").read_text())
    content[0]["image"] = "gone.png"
    (root / "captions.json").write_text(json.dumps(content))
    code, out, _ = visus("data", "check", "set")
    assert code == 2 and "gone.png" in out


def test_the_error_for_the_model_that_is_not_shipped_names_how_to_train_it(visus, workplace):
    code, _, err = visus("predict", "caption", "a.png")
    assert code == 2 and "no such file" in err
    save_captions(workplace / "in", 1)
    code, _, err = visus("predict", "caption", "in")
    assert code == 2 and "captioning/coco" in err and "hours" in err


def test_meteor_names_what_it_needs():
    records = [CaptionRecord("a", "a dog", "a dog", ("a dog",))]
    score, note = meteor(records)
    assert (score is None) == note.startswith("METEOR is left out; it needs")


def test_a_report_explains_words(visus, run, monkeypatch):
    shorten(monkeypatch)
    numbers, page = check_report(visus, run)
    assert set(numbers["quality"]["metrics"]) >= {"cider_d", "true"}
    maps = numbers["explanations"]["explained"][0]["maps"]
    assert maps and all(name.startswith("attention: ") for name in maps)
    assert numbers["robustness"]["attacks"] == [] and "is not attacked" in page


def test_words_are_explained(visus, workplace, run):
    Image.fromarray(make_scene(4, (96, 128), (1, 1)).image).save("a.png")
    code, _, err = visus("predict", run, "a.png", "--explain", "maps")
    assert code == 0 and Path("maps/a.jpg").is_file(), err
