"""Checkpoints and exported files of earlier formats predict what they did when they were written.

`tests/fixtures/format1` was written by the last version that wrote format 1; `expected.json` holds
what that version predicted. A new format adds a folder of its own.
"""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from visus.apps.inference.loading import load_model
from visus.tasks.registry import task_specs
from visus.vision.scenes import make_scene

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "format1" / "expected.json").read_text())


def image_for(name):
    if name.startswith("face"):
        return np.ascontiguousarray(astronaut()[:300, 80:380])
    return make_scene(3, (96, 128), (2, 3)).image


def assert_alike(found, expected, key=""):
    """The same structure and words, and the same numbers but for rounding."""
    assert type(found) is type(expected), key
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), key
        for name, value in expected.items():
            assert_alike(found[name], value, f"{key}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), key
        for i, value in enumerate(expected):
            assert_alike(found[i], value, f"{key}/{i}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=0.02), key
    elif not key.endswith("/mask"):
        assert found == expected, key


@pytest.mark.parametrize("task", [task for task in task_specs() if task in EXPECTED])
def test_checkpoints_of_format_1_predict_as_before(task):
    model = load_model(str(FIXTURES / "format1" / f"{task}.ckpt"))
    if task == "detection":
        # Hardly trained, it has no detection above its own threshold.
        model.set_option("threshold", 0.01)
    found = json.loads(json.dumps(model.predict(image_for(task)).to_json()))
    expected = deepcopy(EXPECTED[task])
    for caption in expected.get("captions", ()):
        # That version reported mean probabilities, by which the captions were not sorted.
        caption["score"] **= max(1, len(caption["caption"].split())) ** 0.3
    assert_alike(found, expected)


def test_exported_files_of_format_1_predict_as_before():
    model = load_model(str(FIXTURES / "format1" / "classification.onnx"))
    found = model.predict(image_for("classification")).to_json()
    assert_alike(found, EXPECTED["classification.onnx"])


def test_checkpoints_of_format_1_are_tested_and_resumed(visus):
    folder = FIXTURES / "format1"
    code, out, err = visus("test", folder / "classification.ckpt", "--data.num_workers", "0")
    assert code == 0 and "test/accuracy" in out, err
    shutil.copy(folder / "classification-last.ckpt", "last.ckpt")
    code, out, err = visus(
        *("fit", "--resume", "last.ckpt", "--trainer.max_epochs", "2"),
        *("--trainer.precision", "32-true", "--data.num_workers", "0"),
    )
    assert code == 0 and "epoch 2/2" in out, err


def test_a_format_from_the_future_is_refused(visus, workplace):
    import torch

    content = torch.load(FIXTURES / "format1" / "classification.ckpt", weights_only=True)
    content["visus"]["format"] = 99
    torch.save(content, "new.ckpt")
    code, _, err = visus("test", "new.ckpt")
    assert code == 2 and "format 99" in err and "install a newer visus" in err
