"""Exported files of other precisions and for phones, through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from tests.conftest import PATIENCE
from visus.apps import export
from visus.apps.export import Exporter
from visus.apps.export.executorch_file import export_program
from visus.apps.export.parity import measure_parity
from visus.apps.inference import backends
from visus.apps.inference.backends import Backend, computes_bfloat16
from visus.apps.inference.exported import load_exported
from visus.apps.inference.loading import load_model
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask
from visus.vision.errors import VisusError
from visus.vision.scenes import make_scene


@pytest.fixture
def calibration(workplace):
    """A folder of images like those that the model was trained on."""
    Path("images").mkdir()
    for seed in range(12):
        Image.fromarray(make_scene(seed, (48, 64)).image).save(f"images/{seed}.png")
    return "images"


def cells(out, figure):
    """The cells after a heading in a printed table."""
    line = next(line for line in out.splitlines() if line.startswith("│") and figure in line)
    return [cell.strip() for cell in line.split("│")[2:-1]]


def outputs(path, runtime):
    model = load_model(path, runtime)
    images = [make_scene(seed, (48, 64)).image for seed in range(20, 36)]
    return np.concatenate([model.run(model.preprocess(image)[0])[0] for image in images])


def test_an_int8_file_predicts_nearly_as_the_model_and_is_measured(visus, calibration, model):
    arguments = ["--output", "new/q.onnx", "--precision", "int8", "--calibration", calibration]
    # Arrays beside photographs are something else.
    np.save("images/mask.npy", np.zeros((4, 4), np.int64))
    code, out, err = visus("export", model[1], *arguments, "--data")
    assert code == 0, err
    # Both were measured on the run's own test images.
    before, after = (float(cell) for cell in cells(out, "test/accuracy"))
    assert abs(before - after) <= 0.25
    assert Path("new/q.onnx").stat().st_size < 0.4 * model[0].stat().st_size
    kinds = {node.op_type for node in onnx.load("new/q.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    for runtime in ("onnxruntime", "openvino"):
        exact, rounded = outputs(str(model[0]), runtime), outputs("new/q.onnx", runtime)
        assert 0 < np.abs(exact - rounded).max() < 0.2 * np.ptp(exact)
    code, out, err = visus("benchmark", "new/q.onnx", calibration, "--duration", "0.1s")
    assert code == 0, err
    assert out.count("int8") >= 2 and "fp32" not in out


def test_a_bfloat16_file_runs_in_every_runtime(visus, calibration, model):
    code, out, err = visus("export", model[1], "--output", "b.onnx", "--precision", "bf16")
    assert code == 0, err
    assert ("does not support bfloat16" in out) != computes_bfloat16()
    exact = outputs(str(model[0]), "onnxruntime")
    assert np.array_equal(outputs("b.onnx", "onnxruntime"), exact)
    rounded = outputs("b.onnx", "openvino")
    assert np.abs(rounded - exact).max() < 0.1 * np.ptp(exact)
    assert load_model("b.onnx", "onnxruntime").precision == "fp32"
    expected = "bf16" if computes_bfloat16() else "fp32"
    assert load_model("b.onnx", "openvino").precision == expected


def test_a_program_for_phones_predicts_as_the_model(visus, calibration, model):
    code, out, err = visus("export", model[1], "--output", "new/m.pte", "--images", calibration)
    assert code == 0, err
    difference, same, _ = cells(out, "executorch")
    assert float(difference) < 1e-3 and same == "100%"
    program, other = load_model("new/m.pte"), load_model(str(model[0]))
    assert program.runtime == "executorch" and program.metadata == other.metadata
    image = make_scene(20, (48, 64)).image
    predicted, expected = (one.predict(image).labels() for one in (program, other))
    assert [label for label, _ in predicted] == [label for label, _ in expected]


@pytest.mark.parametrize(("channels", "flip"), [(1, False), (3, True)])
def test_a_program_for_phones_computes_as_the_network(workplace, channels, flip):
    info = ClassificationInfo(
        image_size=(40, 32), class_names=("a", "b"), in_channels=channels, resize_mode="stretch"
    )
    torch.manual_seed(0)
    task = ClassificationTask(data_info=info, backbone="lenet5", flip_at_test=flip).eval()
    export_program(task, Path("m.pte"))
    _, parity = measure_parity(task, [load_exported(Path("m.pte"), "executorch")], [])
    assert parity.largest_difference < 1e-5 and parity.agreement == 1
    content = bytearray(Path("m.pte").read_bytes())
    content[len(content) // 2] ^= 1
    Path("altered.pte").write_bytes(content)
    with pytest.raises(VisusError, match=r"altered\.pte: cannot be loaded"):
        load_exported(Path("altered.pte"), "executorch")


def test_programs_for_phones_predict_and_are_measured(visus, calibration, model):
    assert visus("export", model[1], "--output", "m.pte", "--data")[0] == 0
    for command in (
        ("predict", "m.pte", calibration, "--jsonl", "p.jsonl"),
        ("benchmark", "m.pte", calibration, "--duration", "0.1s"),
    ):
        script = [Path(sys.executable).with_name("visus"), *command]
        done = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE)
        # Its native code reports the CPU on standard error.
        unexpected = [line for line in done.stderr.splitlines() if not line.startswith("visus: ")]
        assert (done.returncode, unexpected) == (0, []), command
    assert "executorch" in done.stdout and "torch │" not in done.stdout.replace("executorch", "")
    assert visus("predict", model[0], calibration, "--jsonl", "o.jsonl")[0] == 0
    predicted, expected = (
        [json.loads(line) for line in Path(name).read_text().splitlines()]
        for name in ("p.jsonl", "o.jsonl")
    )
    assert [entry["source"] for entry in predicted] == [entry["source"] for entry in expected]
    for one, other in zip(predicted, expected, strict=True):
        scores = ({c["label"]: c["score"] for c in entry["classes"]} for entry in (one, other))
        assert next(scores) == pytest.approx(next(scores), abs=1e-5)


class Uniform:
    """A runtime of text files: the same logit for each of the named classes."""

    precision = "fp32"
    batch_size = 1

    def __init__(self, path, workers):
        self.metadata = path.read_text()
        self.classes = len(json.loads(self.metadata)["class_names"])

    def __call__(self, images):
        return (np.zeros((len(images), self.classes), np.float32),)


def test_a_kind_of_file_is_one_line_in_each_table(visus, calibration, model, monkeypatch):
    def write(job):
        job.path.write_text(json.dumps(job.task.metadata.to_dict()))

    # Its runtime needs the package json, which is installed.
    runtime, exporter = Backend("json", ".toy", Uniform), Exporter(".toy", "a toy file", write)
    monkeypatch.setattr(backends, "BACKENDS", (*backends.BACKENDS, runtime))
    monkeypatch.setattr(export, "EXPORTERS", (*export.EXPORTERS, exporter))
    code, out, err = visus("export", model[1], "--output", "m.toy", "--data")
    assert code == 0 and len(cells(out, "json")) == 3 and "test/accuracy" in out, err
    assert load_model("m.toy").runtime == "json"
    code, out, err = visus("predict", "m.toy", calibration, "--runtime", "json")
    assert code == 0 and len(out.splitlines()) == 12, err
    assert visus("live", "m.toy", calibration, "--jsonl", "-")[0] == 0
    code, _, err = visus("predict", "m.toy", calibration, "--runtime", "openvino")
    assert code == 2 and "openvino cannot run it; leave --runtime out, or use json" in err
    code, _, err = visus("export", "m.toy", "--output", "n.onnx")
    assert code == 2 and "is exported already" in err


def test_exported_models_and_existing_folders_are_refused(visus, model):
    code, _, err = visus("export", model[0], "--output", "q.onnx")
    assert code == 2 and "is exported already" in err
    Path("folder.onnx").mkdir()
    code, _, err = visus("export", model[1], "--output", "folder.onnx")
    assert code == 2 and "is a folder" in err and not Path("folder.onnx.part").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["q.onnx", "--precision", "int8"], "need each other"),
        (["q.onnx", "--calibration", "images"], "need each other"),
        (["q.ckpt", "--precision", "bf16"], "not for a checkpoint of weights alone"),
        (["q.pte", "--precision", "bf16"], "not for a program for phones"),
        (["q.ckpt", "--data"], "not for a checkpoint of weights alone"),
        (["q.onnx", "--precision", "int8", "--calibration", "empty"], "holds no images"),
        (["q.onnx", "--precision", "int8", "--calibration", "images"], "bad.png"),
        (["q.onnx", "--images", "images"], "bad.png"),
        (["q.onnx", "--data", "empty"], "--data.root does not apply, as these data are generated"),
    ],
)
def test_a_failed_export_leaves_no_file(visus, calibration, model, arguments, words):
    Path("empty").mkdir()
    Path("images/bad.png").write_bytes(b"no image")
    code, _, err = visus("export", model[1], "--output", *arguments)
    assert code == 2 and words in err
    assert not Path(arguments[0]).exists()
