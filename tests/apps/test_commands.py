import re
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from tests.conftest import PATIENCE
from visus.apps.drawing import draw_prediction
from visus.apps.runs import create_run_folder
from visus.datamodules.registry import data_specs
from visus.tasks.class_metrics import class_report, standard_error
from visus.tasks.classification.prediction import ClassificationPrediction
from visus.vision.drawing.grid import grid
from visus.vision.drawing.plots import draw_confusion
from visus.vision.images import read_image


def test_help_lists_every_command(visus):
    from visus.apps.commands import HELP

    code, out, _ = visus("--help")
    assert code == 0 and all(name in out for name in HELP)
    for name in set(HELP) - {"fit", "validate", "test"}:
        with pytest.raises(SystemExit) as ended:
            visus(name, "--help")
        assert ended.value.code == 0


def test_missing_packages_are_named(visus, monkeypatch, tmp_path):
    with monkeypatch.context() as context:
        context.setattr("visus.apps.inference.backends.find_spec", lambda name: None)
        (tmp_path / "m.onnx").touch()
        (tmp_path / "a.png").touch()
        code, _, err = visus("predict", str(tmp_path / "m.onnx"), str(tmp_path / "a.png"))
        assert code == 2 and "pip install onnxruntime" in err
    missing = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    monkeypatch.setattr("visus.apps.inference.loading.load_model", Mock(side_effect=missing))
    code, _, err = visus("predict", "imagenet", str(tmp_path / "a.png"))
    assert code == 2 and "the package torch is missing" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fitt"], "did you mean fit"),
        (["predict", "imagenet", "x.png", "--jsnol", "y"], "did you mean --jsonl"),
        (["predict", "imagenet", "x.png", "--dra", "y"], "did you mean --draw"),
        (["test"], "visus test latest"),
        (["export", "imagenet", "--output", "x.pt"], ".onnx"),
        (["data", "check", "nowhere"], "nowhere"),
        (["weights", "get", "nothing"], "efficientnet-lite0-imagenet"),
        (["backbones", "zzz*"], "zzz"),
    ],
)
def test_wrong_arguments(visus, arguments, words):
    code, _, err = visus(*arguments)
    assert code == 2 and words in err
    assert len(err.strip().splitlines()) == 1


def test_backbones_are_listed_with_their_features(visus):
    code, out, _ = visus("backbones", "*lite0")
    line = next(line for line in out.splitlines() if "tf_efficientnet_lite0" in line)
    assert code == 0 and "2 4 8 16 32" in line and "16 24 40 112 320" in line and "yes" in line
    code, out, _ = visus("backbones", "lenet5")
    assert code == 0 and "lenet5" in out


def test_all_backbones_are_listed_without_building_one(workplace):
    code = (
        "import sys; from visus.apps.cli import main; assert main(['backbones']) == 0; "
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 1000 and "swin_tiny_patch4_window7_224" in done.stdout


def test_weights_are_listed_and_fetched(visus):
    code, out, _ = visus("weights", "list")
    assert code == 0 and "Apache-2.0" in out and "ImageNet-1k" in out
    code, out, _ = visus("weights", "get", "imagenet")
    assert code == 0 and "sha256 checked" in out


def test_doctor_reports(visus):
    code, out, _ = visus("doctor")
    assert code in (0, 1)
    for word in ("torch", "opencv-python", "windows", "display", "cameras", "problems"):
        assert word in out


def test_doctor_reports_a_headless_opencv(visus, monkeypatch):
    import cv2

    text = re.sub(r"GUI:.*", "GUI:                           NONE", cv2.getBuildInformation())
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: text)
    code, out, _ = visus("doctor")
    assert code == 1
    assert "pip install --force-reinstall --no-deps opencv-python" in out


def test_data_check_counts_images_and_names_problems(visus, photos):
    code, out, _ = visus("data", "check", photos)
    assert code == 0 and "no problems" in out and "20 readable images" in out
    (photos / "circle" / "bad.jpg").write_text("text")
    code, out, _ = visus("data", "check", photos)
    assert code == 2 and "bad.jpg" in out and "1 problem (1 error)" in out


def test_samples_of_every_task_pass_their_check(visus, workplace):
    code, out, err = visus("data", "samples", "s")
    assert code == 0, err
    assert read_image(workplace / "s" / "cat.jpg").size and (workplace / "s" / "clip.mp4").exists()
    specs = [spec for spec in data_specs().values() if spec.sample_folder]
    assert len(specs) >= 5
    for spec in specs:
        assert f"a tiny data set for {spec.task}" in out
        code, out_of_check, err = visus("data", "check", workplace / "s" / spec.sample_folder)
        assert code == 0 and "no problems" in out_of_check, (spec.task, err)
    named = {f"{spec.task}_{name}" for spec in specs for name in spec.sample_layouts()}
    assert {path.name for path in (workplace / "s" / "layouts").iterdir()} == named
    size = sum(path.stat().st_size for path in (workplace / "s").rglob("*") if path.is_file())
    assert size < 8e6


def test_the_demo_writes_its_images(visus, workplace):
    code, out, err = visus("demo", "--epochs", "1", "--output", "there")
    assert code == 0, err
    for name in ("digits.png", "confusion.png", "photographs/cat.jpg", "photographs/coffee.jpg"):
        assert read_image(workplace / "there" / name).size
    assert (workplace / "there" / "clip.mp4").stat().st_size > 1000
    assert "cat.png: " in out and "test/accuracy" in out
    # The predictions are right.
    assert re.search(r"cat\.png: .*(tabby|Egyptian cat|tiger cat)", out)
    assert re.search(r"coffee\.png: (espresso|cup|coffee mug)", out)


def test_run_folders_never_collide(workplace, monkeypatch):
    first = create_run_folder("classification", "x")
    second = create_run_folder("classification", "x")
    assert first != second and second.is_dir()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert create_run_folder("classification", "x") == second.resolve()


def test_metrics_by_class_agree_with_a_manual_count():
    rows = class_report(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ["a", "b", "c"])
    assert rows[0] == {
        "label": "a",
        "samples": 4,
        "precision": 1.0,
        "recall": 0.75,
        "f1": pytest.approx(6 / 7),
    }
    assert rows[1]["precision"] == 0.8 and rows[2]["f1"] == 0
    assert standard_error(0.9, 100) == pytest.approx(0.03)


@pytest.mark.parametrize("classes", [2, 20, 60])
def test_confusion_images_of_every_size(classes):
    names = [f"Straße {i}" for i in range(classes)]
    image = draw_confusion(np.eye(classes, dtype=int) * 7, names)
    assert image.ndim == 3 and image.std() > 0


@pytest.mark.parametrize("size", [(1, 1), (20, 300), (600, 40)])
def test_labels_are_drawn_on_images_of_every_shape(size):
    image = np.zeros((*size, 3), np.uint8)
    scores = np.array([0.9, 0.1], np.float32)
    drawn = draw_prediction(image, ClassificationPrediction(scores, ("Ähre", "a" * 90)))
    assert drawn.shape == image.shape


def test_letters_beyond_ascii_are_drawn():
    def draw(label):
        scores = np.array([1.0], np.float32)
        image = np.zeros((60, 200, 3), np.uint8)
        return draw_prediction(image, ClassificationPrediction(scores, (label,)))

    # A typeface without them would draw the same box for each.
    drawn = [draw(label) for label in ("Ä", "Ж", "λ", "ş")]
    assert all((drawn[i] != drawn[j]).any() for i in range(4) for j in range(i))


def test_a_grid_takes_images_of_all_sizes():
    images = [np.zeros((5, 50, 3), np.uint8), np.zeros((500, 20, 3), np.uint8)]
    assert grid(images, ["wide", "!tall"], 2, 100).shape[1] == 200
