import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from visus.apps.cli import main
from visus.configs import find_config
from visus.tasks.classification.task import ClassificationTask


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration of one epoch, on 24 images in the working folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    labels = np.arange(24) % 2
    images = random.integers(0, 100, (24, 16, 16), np.uint8) + 100 * labels[:, None, None]
    np.savez("images.npz", x_train=images.astype(np.uint8), y_train=labels)
    content = yaml.safe_load(find_config("classification/npz").read_text())
    content["trainer"] = {"max_epochs": 1}
    content["data"]["init_args"] = {"val_share": 0.3, "batch_size": 8}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    return "small.yaml"


def test_backbones_are_trained_measured_and_drawn(config, tmp_path, capsys):
    command = ["backbones", "--compare", "convnet", "resnet9", "--config", config]
    assert main([*command, "--data", "images.npz", "--output", "compared"]) == 0
    out = capsys.readouterr().out
    assert "val/accuracy" in out and "random" in out
    results = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert [result["backbone"] for result in results] == ["convnet", "resnet9"]
    small, large = results
    # A convolution of 5 x 5 on 16 x 16, one of 5 x 5 on 8 x 8, and one layer of 512 features.
    assert small["multiply_adds"] == 256 * 25 * 16 + 64 * 25 * 16 * 32 + 32 * 16 * 2
    assert large["parameters"] > 10 * small["parameters"]
    for result in results:
        assert 0 <= result["value"] <= 1 and result["latency"] > 0 and not result["pretrained"]
        assert (tmp_path / result["run"] / "best.ckpt").is_file()
    assert Image.open(tmp_path / "compared" / "comparison.png").size[0] > 400


def test_a_backbone_that_cannot_be_trained_loses_no_earlier_result(config, tmp_path, capsys):
    # Images of 16 x 16 are too small for AlexNet.
    command = ["backbones", "--compare", "convnet", "alexnet", "--config", config]
    assert main([*command, "--data", "images.npz", "--output", "compared"]) == 2
    assert "alexnet" in capsys.readouterr().err
    results = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert [result["backbone"] for result in results] == ["convnet"]


def test_data_without_a_metric_are_refused_in_one_line(config, tmp_path, capsys, monkeypatch):
    compute = ClassificationTask.compute_metrics

    def undefined(self, metrics, split):
        return replace(compute(self, metrics, split), metrics={"accuracy": float("nan")})

    monkeypatch.setattr(ClassificationTask, "compute_metrics", undefined)
    command = ["backbones", "--compare", "convnet", "--config", config, "--data", "images.npz"]
    assert main([*command, "--output", "compared"]) == 2
    assert "the validation data have no val/accuracy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--compare", "convnet", "resnet_9", "--config", "classification/digits"], "resnet9"),
        (["--compare", "convnet"], "--compare needs --data PATH, or --config"),
        (["--budget", "5m"], "--budget belongs to --compare"),
        (["--compare", "convnet", "--data", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_wrong_arguments_are_refused_before_any_training(arguments, words, capsys):
    assert main(["backbones", *arguments]) == 2
    assert words in capsys.readouterr().err
