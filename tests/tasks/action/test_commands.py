import csv
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image

from tests.reporting import check_report, shorten
from tests.tasks.action.conftest import NAMES, write_clip
from visus.apps.inference.exported import load_exported
from visus.apps.inference.loading import load_model


@pytest.fixture(scope="module")
def exported(checkpoint):
    """The model as an .onnx file."""
    from visus.apps.cli import main

    path = checkpoint.with_suffix(".onnx")
    assert main(["export", str(checkpoint), "--output", str(path)]) == 0
    return path


def test_a_clip_gets_one_line_and_a_timeline(visus, checkpoint):
    write_clip("clip.mp4", 5)
    code, out, err = visus("predict", checkpoint, "clip.mp4", "--timeline", "new/parts.csv")
    assert code == 0, err
    whole, timeline = out.splitlines()
    assert whole.startswith("clip.mp4: ") and timeline == "clip.mp4: timeline new/parts.csv"
    rows = list(csv.DictReader(Path("new/parts.csv").read_text().splitlines()))
    assert float(rows[0]["start"]) == 0 and float(rows[-1]["end"]) == pytest.approx(5, abs=0.2)
    assert all(row["label"] in NAMES and 0 <= float(row["score"]) <= 1 for row in rows)


def test_every_frame_is_a_line_of_json(visus, checkpoint):
    write_clip("clip.mp4", 3)
    code, out, err = visus("predict", checkpoint, "clip.mp4", "--jsonl", "-")
    assert code == 0, err
    entries = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert len(entries) == 30 and entries[0]["task"] == "action"
    assert len({json.dumps(entry["classes"]) for entry in entries}) > 3


def test_a_clip_shorter_than_the_window_repeats_its_last_frame(visus, checkpoint):
    write_clip("short.mp4", 0.7)
    code, out, err = visus("predict", checkpoint, "short.mp4")
    assert code == 0, err
    assert "short.mp4: shorter than the model's window of 2 s" in out
    assert out.startswith("short.mp4: ")


def test_images_and_wrong_outputs_are_refused(visus, checkpoint):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save("a.png")
    write_clip("clip.mp4", 1)
    content = Path("clip.mp4").read_bytes()
    code, _, err = visus("predict", checkpoint, "a.png")
    assert code == 2 and "a still image is not a clip" in err
    code, _, err = visus("predict", checkpoint, "clip.mp4", "--timeline", "clip.mp4")
    assert code == 2 and "clip.mp4: would be overwritten" in err
    code, _, err = visus("predict", checkpoint, "clip.mp4", "--timeline", "other.mp4")
    assert code == 2 and "--timeline other.mp4: is written as CSV" in err
    assert Path("clip.mp4").read_bytes() == content
    code, _, err = visus("live", checkpoint, "a.png", "--video", "o.mp4")
    assert code == 2 and not Path("o.mp4").exists()


def test_live_draws_the_action_and_the_strip(visus, checkpoint):
    write_clip("clip.mp4", 4)
    code, _, err = visus("live", checkpoint, "clip.mp4", "--video", "out.mp4")
    assert code == 0, err
    capture = cv2.VideoCapture("out.mp4")
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    assert len(frames) == 40
    # The strip grows from the right edge to the left.
    early, late = (frame[-4, :, :].astype(int).max(1) for frame in (frames[2], frames[-1]))
    assert (late > 120).mean() > (early > 120).mean() + 0.15


def test_the_state_is_part_of_the_exported_interface(exported):
    graph = onnx.load(exported).graph
    inputs = [each.name for each in graph.input]
    outputs = [each.name for each in graph.output]
    assert inputs[0] == "images" and outputs[0] == "logits"
    assert inputs[1:] == [f"state_{i}" for i in range(len(inputs) - 1)]
    assert outputs[1:] == [f"new_{name}" for name in inputs[1:]]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_exported_model_agrees_over_a_whole_clip(checkpoint, exported, runtime):
    models = [load_model(str(checkpoint)), load_exported(exported, runtime)]
    states = [model.metadata.initial_state() for model in models]
    assert states[0] and [s.shape for s in states[0]] == [s.shape for s in states[1]]
    rng = np.random.default_rng(0)
    for _ in range(12):
        image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        outputs = []
        for i, model in enumerate(models):
            logits, *states[i] = model.run(model.preprocess(image)[0], *states[i])
            outputs.append(logits)
        assert np.abs(outputs[0] - outputs[1]).max() < 1e-4


def test_an_exported_model_gives_the_same_timeline(visus, checkpoint, exported):
    write_clip("clip.mp4", 4)
    tables = []
    for model in (checkpoint, exported):
        code, out, err = visus("predict", model, "clip.mp4", "--timeline", "t.csv")
        assert code == 0, err
        tables.append((out.splitlines()[0], Path("t.csv").read_text()))
    assert tables[0] == tables[1]


def test_a_report_of_clips(visus, workplace, monkeypatch):
    shorten(monkeypatch)
    arguments = ("--trainer.max_epochs", "1", "--data.count", "64", "--data.num_workers", "0")
    small = ("--data.image_size", "[32,32]", "--data.batch_size", "8")
    code, _, err = visus("fit", "--config", "action/scenes", *arguments, *small)
    assert code == 0, err
    numbers, page = check_report(visus, "latest")
    assert "clips" in numbers["quality"] and numbers["explanations"]["explained"] == []
    assert "action recognition has no explanations" in page
    assert {each["attack"] for each in numbers["robustness"]["attacks"]} == {"FGSM", "PGD"}
