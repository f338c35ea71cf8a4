"""visus report on classifiers: the page, planted label errors, calibration, wrong arguments."""

import json
import re
import shutil
from dataclasses import asdict
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps.pages.test_inspection import RECORD, in_browser
from tests.reporting import check_report, shorten
from tests.training import train_in
from visus.apps.inference.benchmark import Speed
from visus.apps.inference.loading import load_model
from visus.vision.images import read_image

CLASSES = ("columns", "rows")


def save_stripes(path, seed, label):
    """An image of stripes in random colours and of a random width, with some noise."""
    rng = np.random.default_rng(seed)
    width = int(rng.integers(4, 10))
    colours = rng.integers(0, 256, (2, 3))
    stripes = colours[np.arange(72) // width % 2]
    image = np.broadcast_to(stripes[None] if label == "columns" else stripes[:, None], (72, 72, 3))
    noisy = image + rng.normal(0, 12, image.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier of stripes, of whose training images three have a wrong label."""
    folder = tmp_path_factory.mktemp("report")
    seeds = count()
    for label in CLASSES:
        for split, images in (("train", 30), ("val", 12), ("test", 12)):
            for i in range(images):
                save_stripes(folder / "photos" / split / label / f"{i}.png", next(seeds), label)
    for label, name in ((CLASSES[0], "wrong0"), (CLASSES[0], "wrong1"), (CLASSES[1], "wrong2")):
        other = CLASSES[1 - CLASSES.index(label)]
        save_stripes(folder / "photos" / "train" / label / f"{name}.png", next(seeds), other)
    arguments = ["--model.backbone", "tf_efficientnet_lite0", "--trainer.max_epochs", "3"]
    arguments += ["--data.num_workers", "0", "--data.image_size", "[64,64]"]
    return train_in(folder, "--data", folder / "photos", *arguments)


def test_the_page_has_all_sections_and_the_planted_labels(visus, trained, monkeypatch):
    shorten(monkeypatch)
    numbers, page = check_report(visus, trained)
    quality = numbers["quality"]
    assert quality["images"] == 24 and set(quality["metrics"]) >= {"accuracy", "macro_f1"}
    accuracy = quality["metrics"]["accuracy"]
    assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]
    assert [row["class"] for row in quality["classes"]] == list(CLASSES)
    assert np.array(quality["confusion"]).sum() == 24
    assert [each["split"] for each in quality["data"]] == ["train", "val", "test"]
    assert quality["data"][0]["sizes"] == [[72, 72]] * 3
    listed = [Path(each["source"]).name for each in numbers["errors"]["labels"]]
    assert sum(name.startswith("wrong") for name in listed[:8]) == 3, listed
    maps = numbers["explanations"]["explained"][0]["maps"]
    assert {name.partition(":")[0] for name in maps} == {"Grad-CAM", "saliency", "occlusion"}
    robustness = numbers["robustness"]
    assert set(robustness["corruptions"]) >= {"noise", "blur", "jpeg", "fog"}
    assert {each["attack"] for each in robustness["attacks"]} == {"FGSM", "PGD", "patch"}
    assert "curves.png" not in page and "losses, metrics and learning rate" in page


def test_calibration_is_stored_and_exported(visus, trained, workplace, monkeypatch):
    shorten(monkeypatch)
    run = shutil.copytree(trained, workplace / "run")
    image = read_image(next((trained.parents[3] / "photos" / "test").rglob("*.png")))
    before = load_model(str(run)).predict(image).scores
    code, out, err = visus("report", run, "--sections", "quality", "--calibrate")
    assert code == 0 and "best.ckpt: temperature " in out, err
    stored = float(re.search(r"temperature ([\d.]+) stored", out)[1])
    after = load_model(str(run)).predict(image).scores
    expected = np.exp(np.log(before.astype(float)) / stored)
    np.testing.assert_allclose(after, expected / expected.sum(), atol=2e-3)
    assert visus("export", run, "--output", "m.onnx")[0] == 0
    np.testing.assert_allclose(load_model("m.onnx").predict(image).scores, after, atol=1e-4)
    # A second time nothing is left to change.
    code, out, _ = visus("report", run, "--sections", "quality", "--calibrate")
    again = float(re.search(r"temperature ([\d.]+) stored", out)[1])
    assert code == 0 and again == pytest.approx(stored, rel=0.02)


def test_the_runtimes_are_measured(visus, trained, monkeypatch):
    from visus.apps.report import speed

    fast = Speed("onnxruntime", "fp32", 2, 3.25, 4.5, 301.5, 120.0, 0.6)
    monkeypatch.setattr(speed, "measure_all", lambda name, seconds: [fast])
    numbers, page = check_report(visus, trained, sections=("speed",))
    assert numbers["speed"]["runtimes"] == [asdict(fast)]
    sizes = numbers["speed"]["megabytes"]
    assert set(sizes) == {"best.ckpt", "fp32.onnx"} and min(sizes.values()) > 5
    assert "onnxruntime" in page and "301.5" in page


def test_few_samples_and_a_missing_class_are_said(visus, trained, workplace):
    for i in range(4):
        save_stripes(workplace / "few" / CLASSES[0] / f"{i}.png", i, CLASSES[0])
    numbers, page = check_report(visus, trained, "--data", "few", sections=("quality", "errors"))
    assert "4 images are too few for intervals, which need 10" in page
    assert numbers["quality"]["metrics"]["accuracy"]["interval"] is None
    missing = next(row for row in numbers["quality"]["classes"] if row["class"] == CLASSES[1])
    assert missing["images"] == 0 and f"no images of {CLASSES[1]}" in page
    assert "labels of too few classes" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sections", "beauty"], "choose from quality, errors"),
        (["--sections", ","], "names none"),
        (["--output", "r.pdf"], "name a .html file"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "other"], "dots"),
    ],
)
def test_wrong_arguments(visus, trained, workplace, arguments, words):
    for i, label in enumerate(("dots", CLASSES[0])):
        save_stripes(workplace / "other" / label / "1.png", i, label)
    code, _, err = visus("report", trained, *arguments)
    assert code == 2 and words in err and "Traceback" not in err, err
    assert not list(workplace.glob("report.*"))


def test_options_of_the_data_are_those_of_test(visus, trained, workplace):
    for i in range(3):
        save_stripes(workplace / "some" / CLASSES[0] / f"{i}.png", i, CLASSES[0])
    (workplace / "some" / CLASSES[0] / "bad.png").write_bytes(b"no image")
    arguments = ("report", trained, "--data", "some", "--sections", "quality")
    code, _, err = visus(*arguments)
    assert code == 2 and "--data.skip_bad true" in err
    assert visus(*arguments, "--data.skip_bad", "true")[0] == 0
    assert json.loads(Path("report.json").read_text())["quality"]["images"] == 3
    code, _, err = visus(*arguments, "--data.skip_worse=true")
    assert code == 2 and "skip_worse" in err


def test_other_files_are_not_replaced(visus, trained, workplace):
    (workplace / "metrics.json").write_text("{}")
    (workplace / "folder.html").mkdir()
    (workplace / "pytest.html").write_text("<p>")
    (workplace / "file").write_text("x")
    content = (trained / "best.ckpt").read_bytes()
    for output, words in (
        ("metrics.html", "metrics.json, which exists and is not a report"),
        ("folder.html", "folder.html is a folder"),
        ("pytest.html", "pytest.html: exists, and is not a report"),
        ("file/x.html", "file/x.html: cannot be written"),
        ("http://x/y.html", "is an address"),
    ):
        code, _, err = visus("report", trained, "--output", output, "--calibrate")
        assert code == 2 and words in err, err
    assert (workplace / "metrics.json").read_text() == "{}"
    # A failed report leaves the checkpoint as it was.
    assert (trained / "best.ckpt").read_bytes() == content


def test_an_exported_file_has_no_report(visus, model):
    code, _, err = visus("report", model[0])
    assert code == 2 and "is not a checkpoint" in err
    code, _, err = visus("report", "nothing")
    assert code == 2 and "there is no such file" in err


SEEN = """
addEventListener("load", () => setTimeout(() => {
  const size = (each) => each.getBoundingClientRect();
  const hidden = [...document.querySelectorAll("svg, img")].filter((each) =>
    size(each).width < 10 || size(each).height < 10 || (each.complete === false) ||
    (each.tagName === "IMG" && each.naturalWidth === 0));
  const found = {
    problems,
    plots: document.querySelectorAll("svg").length,
    images: document.querySelectorAll("img").length,
    hidden: hidden.map((each) => each.outerHTML.slice(0, 80)),
    width: document.documentElement.scrollWidth,
    links: [...document.querySelectorAll("nav a")].map((a) => !!document.querySelector(a.hash)),
  };
  document.body.textContent = JSON.stringify(found);
}, 800));
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 500])
def test_every_plot_is_visible_in_a_browser(visus, trained, workplace, monkeypatch, width):
    shorten(monkeypatch)
    _, page = check_report(visus, trained)
    page = re.sub(r"<meta http-equiv=.*?>", "", page).replace('loading="lazy"', "")
    page = page.replace("<style>", f"<script>{RECORD}</script><style>", 1)
    page = page.replace("</html>", f"<script>{SEEN}</script></html>")
    found = in_browser(page, workplace, width)
    assert found["problems"] == [] and found["hidden"] == []
    assert found["plots"] == 3 and found["images"] > 20
    assert found["width"] <= width and found["links"] == [True] * 4


def test_copies_between_splits_are_counted(visus, trained, workplace):
    for split, seeds in (("train", (0, 1, 2, 2)), ("val", (3, 2, 5)), ("test", (6, 7, 8))):
        for i, seed in enumerate(seeds):
            for label in CLASSES:
                save_stripes(workplace / "copied" / split / label / f"{i}.png", seed, label)
    data = ("--data", "copied")
    code, _, err = visus("report", trained, *data, "--sections", "quality")
    assert code == 2 and "in train and val" in err, err


def test_attacks_without_memory_are_one_line(visus, trained, monkeypatch):
    from visus.apps.report import robustness

    def exhausted(*arguments):
        raise MemoryError

    shorten(monkeypatch)
    monkeypatch.setattr(robustness, "fgsm", exhausted)
    code, _, err = visus("report", trained, "--sections", "robustness")
    assert code == 2 and "the memory does not suffice for attacks" in err
    assert len(err.strip().splitlines()) == 1
