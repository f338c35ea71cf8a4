"""Checkpoints, exported folders and galleries of earlier versions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from tests.conftest import newest_metrics, save_people
from visus.apps.export.bundle import export_bundle
from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.loading import load_model
from visus.tasks.checkpoints import load_task, read_checkpoint

FORMAT_1 = Path(__file__).parents[2] / "fixtures" / "format1"
CHECKPOINT = FORMAT_1 / "face_recognition.ckpt"


@pytest.fixture(scope="module")
def expected():
    return json.loads((FORMAT_1 / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(astronaut()[:300, 80:380])


def test_a_checkpoint_of_format_1_predicts_as_before(expected, portrait):
    model = load_model(str(CHECKPOINT))
    assert model.predict(portrait).to_json() == expected["face_recognition"]
    assert model.fingerprint == expected["face_recognition_fingerprint"]
    arguments = read_checkpoint(CHECKPOINT)["visus"]["arguments"]
    assert not {"threshold", "far", "people_count", "image_size"} & set(arguments)
    assert arguments["data_info"] == {"image_size": [32, 32], "people_count": 6}
    task = load_task(CHECKPOINT)
    # Half precision is what the file holds.
    assert float(task.threshold) == pytest.approx(0.1381, abs=1e-4)
    assert float(task.far) == pytest.approx(1e-3, rel=1e-3)


def test_the_fingerprint_of_the_ready_made_model_never_changes(expected):
    assert load_model("faces").fingerprint == expected["faces_fingerprint"]


def test_an_exported_folder_of_format_2_predicts_as_before(expected, portrait, tmp_path):
    folder = tmp_path / "edge"
    shutil.copytree(FORMAT_1 / "face_recognition_bundle", folder)
    # The detector's networks are those of any export.
    export_bundle(load_task(CHECKPOINT), tmp_path / "new")
    for name in ("propose", "refine", "output"):
        shutil.copy(tmp_path / "new" / f"{name}.onnx", folder)
    for runtime in installed_runtimes():
        model = load_model(str(folder), runtime)
        prediction = model.predict(portrait)
        (face,), (other,) = prediction.to_json()["faces"], expected["face_recognition"]["faces"]
        np.testing.assert_allclose(face["box"], other["box"], atol=0.1)
        assert model.fingerprint == expected["face_recognition_fingerprint"]
        original = load_model(str(CHECKPOINT)).predict(portrait)
        assert float(prediction.embedding(0) @ original.embedding(0)) > 0.999


def test_a_checkpoint_of_format_1_is_measured_as_before(visus, workplace):
    save_people(Path("people"), 8, 4)
    code, _, err = visus("test", CHECKPOINT, "--data", "people")
    assert code == 0, err
    assert newest_metrics()["test/verification_accuracy"] == 1
