"""One model, one answer: PyTorch, ONNX Runtime, OpenVINO, the server and Ray agree."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.serving import request, serve
from tests.training import inside, train_in
from visus.apps.inference.loading import load_model
from visus.vision.output_files import write_image
from visus.vision.scenes import make_scene

SMALL = ["--data.num_workers", "0", "--data.image_size", "[96,96]", "--trainer.max_epochs", "1"]
RUNTIMES = ("onnxruntime", "openvino")
LOW = 0.01
OPTIONS = {
    "classification": ["--model.backbone", "resnet9", "--data.count", "64"],
    "detection": [
        *("--model.backbone", "test_resnet", "--model.channels", "16", "--data.count", "32"),
        *("--model.architecture", "one_stage", "--model.strides", "[8,16,32]"),
        *("--model.pretrained", "false"),
    ],
}


@pytest.fixture(scope="module", params=OPTIONS)
def models(request, tmp_path_factory):
    """The checkpoint of a tiny model of the task, and the file exported from it."""
    from visus.apps.cli import main

    folder = tmp_path_factory.mktemp(request.param)
    options = [*SMALL, *OPTIONS[request.param]]
    run = train_in(folder, "--config", f"{request.param}/scenes", *options)
    with inside(folder):
        assert main(["export", str(run), "--output", "model.onnx"]) == 0
    return run / "best.ckpt", folder / "model.onnx"


def answers(entry):
    """Labels and scores of a prediction in JSON, best first."""
    items = entry.get("classes") or entry.get("detections")
    return [item["label"] for item in items], np.array([item["score"] for item in items])


def test_all_runtimes_and_the_server_give_the_same_answer(models):
    checkpoint, exported = models
    image = make_scene(11, (120, 160)).image
    written = io.BytesIO()
    Image.fromarray(image).save(written, "PNG")
    expected = load_model(str(checkpoint))
    loaded = [expected, *(load_model(str(exported), name) for name in RUNTIMES)]
    # A hardly trained detector is sure of nothing.
    low = "threshold" in expected.metadata.options
    for model in loaded if low else ():
        model.set_option("threshold", LOW)
    given = [model.predict(image).to_json() for model in loaded]
    for path in models:
        with serve(path) as server:
            place = f"/predict?threshold={LOW}" if low else "/predict"
            status, entry = request(server, "POST", place, written.getvalue())
            assert status == 200, entry
            given.append(entry)
    given.append(_by_ray(models[1], image, low))
    labels, scores = answers(given.pop(0))
    assert len(labels) >= 3
    for entry in given:
        own_labels, own_scores = answers(entry)
        assert own_labels == labels
        assert np.allclose(own_scores, scores, atol=1e-4)


def _by_ray(exported, image, low):
    """The row of the image that `visus predict --engine ray` writes."""
    from visus.apps.cli import main

    with inside(exported.parent):
        write_image(Path("images/0.png"), image)
        words = ["predict", exported.name, "images", "--engine", "ray", "--jsonl", "rows"]
        assert main([*words, *(["--threshold", str(LOW)] if low else [])]) == 0
        return json.loads(Path("rows/part-000000.jsonl").read_text())
