"""Exported files of other precisions and for phones, through the command line."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from visus.apps.export.executorch_file import MobileModel
from visus.apps.inference.backends import computes_bfloat16
from visus.apps.inference.loading import load_model
from visus.vision.scenes import make_scene


@pytest.fixture
def calibration(workplace):
    """A folder of images like those that the model was trained on."""
    Path("images").mkdir()
    for seed in range(12):
        Image.fromarray(make_scene(seed, (48, 64)).image).save(f"images/{seed}.png")
    return "images"


def cells(out, figure):
    """What stands beside a figure in a printed table."""
    line = next(line for line in out.splitlines() if line.startswith("│") and figure in line)
    return [cell.strip() for cell in line.split("│")[2:-1]]


def answers(path, runtime):
    model = load_model(path, runtime)
    images = [make_scene(seed, (48, 64)).image for seed in range(20, 36)]
    return np.concatenate([model.run(model.preprocess(image)[0])[0] for image in images])


def test_an_int8_file_answers_nearly_as_the_model_and_is_measured(visus, calibration, model):
    arguments = ["--output", "new/q.onnx", "--precision", "int8", "--calibration", calibration]
    code, out, err = visus("export", model[1], *arguments, "--data")
    assert code == 0, err
    # Both were measured on the run's own test images.
    before, after = (float(cell) for cell in cells(out, "test/accuracy"))
    assert abs(before - after) <= 0.25
    assert Path("new/q.onnx").stat().st_size < 0.4 * model[0].stat().st_size
    kinds = {node.op_type for node in onnx.load("new/q.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    for runtime in ("onnxruntime", "openvino"):
        exact, rounded = answers(str(model[0]), runtime), answers("new/q.onnx", runtime)
        assert 0 < np.abs(exact - rounded).max() < 0.2 * np.ptp(exact)
    code, out, err = visus("benchmark", "new/q.onnx", calibration, "--seconds", "0.1")
    assert code == 0, err
    assert out.count("int8") >= 2 and "fp32" not in out


def test_a_bfloat16_file_says_so_and_runs_everywhere(visus, calibration, model):
    code, out, err = visus("export", model[1], "--output", "b.onnx", "--precision", "bf16")
    assert code == 0, err
    assert ("has no bfloat16" in out) != computes_bfloat16()
    exact = answers(str(model[0]), "onnxruntime")
    assert np.array_equal(answers("b.onnx", "onnxruntime"), exact)
    found = answers("b.onnx", "openvino")
    assert np.abs(found - exact).max() < 0.1 * np.ptp(exact)
    assert load_model("b.onnx", "onnxruntime").precision == "fp32"
    expected = "bf16" if computes_bfloat16() else "fp32"
    assert load_model("b.onnx", "openvino").precision == expected


def test_a_program_for_phones_answers_as_the_model(visus, calibration, model):
    code, out, err = visus("export", model[1], "--output", "new/m.pte", "--images", calibration)
    assert code == 0, err
    difference, same, _ = cells(out, "executorch")
    assert float(difference) < 1e-3 and same == "100%"
    program = MobileModel(Path("new/m.pte"))
    image = make_scene(20, (48, 64)).image
    other = load_model(str(model[0]))
    assert program.metadata == other.metadata
    found, expected = (one.predict(image).labels() for one in (program, other))
    assert [label for label, _ in found] == [label for label, _ in expected]


def test_what_is_exported_already_and_what_is_a_folder_is_told(visus, model):
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
        (["q.ckpt", "--precision", "bf16"], "not for .ckpt"),
        (["q.pte", "--precision", "bf16"], "not for .pte"),
        (["q.pte", "--data"], "not for .pte"),
        (["q.onnx", "--precision", "int8", "--calibration", "empty"], "holds no image"),
        (["q.onnx", "--precision", "int8", "--calibration", "images"], "bad.png"),
        (["q.onnx", "--images", "images"], "bad.png"),
        (["q.onnx", "--data", "empty"], "unknown option 'root'"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(visus, calibration, model, arguments, words):
    Path("empty").mkdir()
    Path("images/bad.png").write_bytes(b"no image")
    code, _, err = visus("export", model[1], "--output", *arguments)
    assert code == 2 and words in err
    assert not Path(arguments[0]).exists()
