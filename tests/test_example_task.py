"""A task of another package: everything works without a change to any file of visus."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.server import visus_of
from visus.vision.scenes import make_scene

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "mean_colour"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Installs the example as pip would: the package and its entry points."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE / "mean_colour", site / "mean_colour")
    info = site / "visus_mean_colour-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: visus-mean-colour\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[visus.tasks]\nmean_colour = mean_colour.spec:MeanColourSpec\n"
        "[visus.datamodules]\nmean_colour = mean_colour.data_spec:MeanColourDataSpec\n"
    )
    return site


@pytest.fixture(scope="module")
def server(installed):
    """Runs commands of visus with the example installed."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("VISUS_RUN_FOLDER", None)
    with visus_of(environment) as visus:
        yield visus


@pytest.fixture
def run(server, workplace):
    """Runs a command in an empty folder; returns exit code and output."""
    return lambda *arguments: server([str(argument) for argument in arguments])


def succeeded(done):
    code, output = done
    assert code == 0, output
    return output


def test_a_task_of_another_package_does_everything(run):
    images = Path("images")
    images.mkdir()
    for seed in range(24):
        Image.fromarray(make_scene(seed, (40, 48)).image).save(images / f"{seed}.png")
    config = EXAMPLE / "mean_colour.yaml"
    assert "24 readable images" in succeeded(run("data", "check", images, "--task", "mean_colour"))
    module = ("--data", "mean_colour.data.MeanColourData")
    assert "24 readable images" in succeeded(run("data", "check", images, *module))
    out = succeeded(run("fit", "--config", config, "--data", images))
    assert "one colour, images of 32 x 32" in out and "best val/mae" in out
    assert "test/mae" in succeeded(run("test", "latest"))
    out = succeeded(run("predict", "latest", images, "--draw", "drawn", "--jsonl", "o.jsonl"))
    assert "images/0.png: #" in out
    entries = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert len(entries) == 24 == len(list(Path("drawn").glob("*.jpg")))
    assert entries[0]["task"] == "mean_colour" and len(entries[0]["colour"]) == 3
    succeeded(run("live", "latest", "images/*.png", "--video", "out.mp4"))
    assert Path("out.mp4").stat().st_size > 0
    out = succeeded(run("export", "latest", "--output", "m.onnx"))
    assert "onnxruntime" in out and "100%" in out
    succeeded(run("predict", "m.onnx", images, "--jsonl", "exported.jsonl"))
    exported = [json.loads(line) for line in Path("exported.jsonl").read_text().splitlines()]
    for first, second in zip(entries, exported, strict=True):
        assert first["colour"] == pytest.approx(second["colour"], abs=1e-3)
    code, output = run("predict", "latest", images, "--beam", "3")
    assert code == 2 and "is a mean_colour model" in output


def test_a_data_module_without_a_needed_attribute_is_refused_before_training(run):
    Path("images").mkdir()
    for seed in range(4):
        Image.fromarray(make_scene(seed, (40, 48)).image).save(f"images/{seed}.png")
    Path("mine.py").write_text(
        "from mean_colour.data import MeanColourData\n\n\n"
        "class Broken(MeanColourData):\n"
        "    @property\n"
        "    def resize_mode(self):\n"
        "        raise AttributeError('no mode', name='resize_mode', obj=self)\n"
    )
    config = ["--config", EXAMPLE / "mean_colour.yaml", "--allow-custom-classes"]
    code, output = run("fit", *config, "--data", "mine.Broken", "--data.root", "images")
    assert code == 2
    assert "Broken has no attribute 'resize_mode', which InputInfo needs" in output
    assert not Path("runs").exists()


def test_a_package_that_cannot_be_loaded_is_named(run, installed):
    info = installed / "broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[visus.tasks]\nbroken = mean_colour.spec:Nothing\n")
    code, output = run("predict", "latest", "x.png")
    shutil.rmtree(info)
    assert code == 2 and "broken: its entry point" in output
    assert len(output.strip().splitlines()) == 1
