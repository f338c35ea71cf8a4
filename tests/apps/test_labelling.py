"""Predictions written as labels: read, converted, corrected and trained on."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.conftest import newest, save_scene
from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.outlines import object_mask, trace_outlines
from visus.vision.errors import VisusError
from visus.vision.images import read_image, read_mask
from visus.vision.scenes import SHAPES, make_scene

TINY = ["--model.backbone", "test_resnet", "--model.channels", "16", "--model.pretrained", "false"]
SMALL = [*TINY, "--data.image_size", "[64,96]"]
LENET = ["--model.backbone", "lenet5", "--model.pretrained", "false"]
SHORT = ["--trainer.max_epochs", "1", "--data.num_workers", "0"]


@pytest.fixture
def runs(workplace):
    """Hardly trained models of three tasks."""
    stored = Path(__file__).parent.parent / "fixtures" / "format1"
    return {path.stem: path for path in stored.glob("*.ckpt")}


@pytest.fixture
def originals(workplace):
    """Photographs: two of one name, one with an EXIF orientation."""
    for i, place in enumerate(("a/1.png", "b/1.png", "b/2.png")):
        save_scene(workplace / "new" / place, 40 + i, size=(64, 96))
    turned = Image.fromarray(make_scene(50, (64, 96)).image)
    exif = turned.getexif()
    exif[274] = 6
    turned.save(workplace / "new" / "turned.jpg", exif=exif)
    return workplace / "new"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def review(folder):
    with open(folder / "review.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("task", "format", "options", "fit"),
    [
        ("detection", "coco", ["--threshold", "0.01"], SMALL),
        ("detection", "voc", ["--threshold", "0.01"], None),
        ("detection", "yolo", ["--threshold", "0.01"], None),
        ("segmentation", "masks", [], TINY),
        ("classification", "folders", [], LENET),
        ("classification", "csv", [], None),
    ],
)
def test_predictions_become_a_data_set_to_train_on(
    visus, workplace, runs, originals, task, format, options, fit
):
    before = contents(originals)
    command = ("predict", runs[task], originals, *options, "--labels", format, "--output", "own")
    code, out, err = visus(*command)
    assert code == 0, err
    assert f"wrote own: labels of 4 images as {format}" in out
    assert contents(originals) == before
    rows = review(Path("own"))
    assert len({row["image"] for row in rows}) == 4
    uncertainties = [float(row["uncertainty"]) for row in rows]
    assert uncertainties == sorted(uncertainties, reverse=True) and 0 <= min(uncertainties)
    assert max(uncertainties) <= 1 and all(row["prediction"] for row in rows)
    # The image with an orientation lies there upright, and without it.
    (turned,) = [row["image"] for row in rows if "turned" in row["image"]]
    with Image.open(Path("own") / turned) as image:
        assert image.size == (64, 96) and 274 not in image.getexif()
    code, out, err = visus("data", "check", "own")
    assert code == 0 and "error" not in out and "not read" not in out, out + err
    if task == "detection":
        other = "yolo" if format == "voc" else "voc"
        code, _, err = visus("data", "convert", "own", "--to", other, "--output", "converted")
        assert code == 0, err
    if fit is None:
        return
    code, _, err = visus("fit", "--data", "own", *fit, *SHORT, "--data.skip_bad", "true")
    assert code == 0, err
    assert (newest("runs/*/*/*") / "best.ckpt").exists()


def test_coco_labels_hold_scores(visus, runs, originals):
    command = ("predict", runs["detection"], originals, "--threshold", "0.01")
    code, _, err = visus(*command, "--labels", "coco", "--output", "own", "--jsonl", "-")
    assert code == 0, err
    assert "wrote own" in err
    content = json.loads(Path("own/annotations/instances_all.json").read_text())
    assert content["annotations"] and [c["name"] for c in content["categories"]]
    assert all(0.01 <= each["score"] <= 1 for each in content["annotations"])
    for image in content["images"]:
        pixels = read_image(Path("own/images") / image["file_name"])
        assert pixels.shape[:2] == (image["height"], image["width"])


def test_labels_are_written_after_an_error_too(visus, runs, originals, monkeypatch):
    written = []

    def full(self, entry):
        written.append(entry)
        if len(written) == 3:
            raise VisusError("the disk is full")

    monkeypatch.setattr("visus.apps.live.loop.JsonLinesWriter.write", full)
    command = ("predict", runs["detection"], originals, "--threshold", "0.01", "--jsonl", "p.jsonl")
    code, out, err = visus(*command, "--labels", "coco", "--output", "own")
    assert code == 2 and "the disk is full" in err
    assert "labels of 2 images" in out and len(review(Path("own"))) == 2
    code, out, _ = visus("data", "check", "own")
    assert code == 0, out


def test_frames_of_a_video_become_images_with_masks(visus, workplace, runs):
    writer = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for i in range(3):
        writer.write(np.ascontiguousarray(make_scene(i, (64, 96)).image[..., ::-1]))
    writer.release()
    command = ("predict", runs["segmentation"], "clip.avi", "--labels", "masks", "--output", "own")
    assert visus(*command)[0] == 0
    names = sorted(path.stem for path in Path("own/images").iterdir())
    assert names == ["clip-000000", "clip-000001", "clip-000002"]
    assert names == sorted(path.stem for path in Path("own/masks").iterdir())
    lines = Path("own/labelmap.txt").read_text().splitlines()
    assert len(lines) == 1 + len(SHAPES) + 1 and lines[1].startswith("background:")
    # CVAT exports masks in colour, which are read as well.
    ids = read_mask(Path("own/masks/clip-000000.png"))
    for path in Path("own/masks").iterdir():
        Image.open(path).convert("RGB").save(path)
    code, out, err = visus("data", "check", "own")
    assert code == 0, out + err
    assert ids.shape == (64, 96)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--labels", "coco"], "--output DIR"),
        (["--output", "own"], "--labels"),
        (["--labels", "masks", "--output", "own"], "choose folders or csv"),
        (["--labels", "csv", "--output", "new"], "is not empty"),
        (["--labels", "csv", "--output", "new/turned.jpg"], "is not empty"),
    ],
)
def test_wrong_options_write_nothing(visus, runs, originals, arguments, words):
    before = contents(originals)
    code, _, err = visus("predict", runs["classification"], originals, *arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1
    assert contents(originals) == before and not Path("own").exists()


def test_a_damaged_photograph_is_named_and_the_others_are_labelled(visus, runs, originals):
    (originals / "bad.png").write_text("text")
    command = ("predict", runs["classification"], originals, "--labels", "csv", "--output", "own")
    code, _, err = visus(*command)
    assert code == 3 and "bad.png" in err
    assert len(review(Path("own"))) == 4


def test_an_unsure_prediction_is_listed_before_a_sure_one():
    from visus.tasks.classification.prediction import ClassificationPrediction
    from visus.tasks.detection.prediction import DetectionPrediction
    from visus.tasks.segmentation.prediction import postprocess
    from visus.vision.metadata import ModelMetadata
    from visus.vision.resize import resize_to_input

    def classes(*scores, several=False):
        scores = np.array(scores, np.float32)
        return ClassificationPrediction(scores, ("a", "b", "c"), several).uncertainty

    assert classes(0.4, 0.3, 0.3) > classes(0.9, 0.1, 0)
    assert classes(0.9, 0.55, 0, several=True) > classes(0.9, 0.95, 0, several=True)

    def boxes(*scores):
        scores = np.array(scores, np.float32)
        shapes = np.tile(np.array([0, 0, 9, 9], np.float32), (len(scores), 1))
        ids = np.zeros(len(scores), np.int64)
        return DetectionPrediction(shapes, scores, ids, ("a",), (9, 9), 0.5).uncertainty

    assert boxes() == boxes(0.02) == 0
    assert boxes(0.6) > boxes(0.9, 0.1) and boxes(0.9, 0.45) > boxes(0.9, 0.3) > boxes(0.9)

    metadata = ModelMetadata(
        "segmentation", ("a", "b"), (32, 64), 3, "letterbox", (0.0,) * 3, (1.0,) * 3, {}
    )
    _, geometry = resize_to_input(np.zeros((50, 50, 3), np.uint8), (32, 64), "letterbox")
    logits = np.zeros((2, 32, 64), np.float32)
    logits[0] = 1.5
    even = postprocess([logits], geometry, metadata).uncertainty
    assert even == pytest.approx(1 / (1 + np.exp(1.5)), abs=1e-5)
    # The margins of the letterbox do not count.
    logits[0, :, :16] = logits[0, :, 48:] = 9
    assert postprocess([logits], geometry, metadata).uncertainty == pytest.approx(even, abs=1e-5)
    logits[0, 10:20, 20:40] = 0
    assert postprocess([logits], geometry, metadata).uncertainty > even


def test_masks_of_detections_become_outlines(tmp_path):
    from visus.datamodules.core.detection_files import read_detection
    from visus.datamodules.registry import data_spec
    from visus.vision.frames import Frame
    from visus.vision.masks import encode_mask
    from visus.vision.metadata import ModelMetadata

    scene = make_scene(3, (96, 128), (3, 3), 20)
    entry = {"detections": []}
    for i, item in enumerate(scene.objects):
        box = [value + 0.25 for value in item.box]
        detection = {"box": box, "label": item.shape, "score": 0.9 - i / 10}
        entry["detections"].append(detection | {"segmentation": encode_mask(item.mask)})
    # An empty mask leaves the box, and a box that is not a label is left out.
    empty = encode_mask(np.zeros((96, 128), bool))
    entry["detections"].append(
        {"box": [5, 6, 25, 30], "label": SHAPES[0], "score": 0.2, "segmentation": empty}
    )
    entry["detections"].append({"box": [5, 6, 5.5, 30], "label": SHAPES[0], "score": 0.1})
    metadata = ModelMetadata("detection", SHAPES, (96, 128), 3, "stretch", (0,) * 3, (1,) * 3, {})
    for format in ("coco", "yolo"):
        writer = data_spec("detection").label_writer(format, tmp_path / format, metadata)
        writer.add(Frame(scene.image, "-", 0, 0.0, 0.0), entry, 0.5, "some")
        writer.finish()
        listing = read_detection(tmp_path / format)
        assert {problem.severity for problem in listing.problems} <= {"warning"}
        (image,) = listing.samples
        assert len(image.objects) == len(scene.objects) + 1
        for item, true in zip(image.objects, scene.objects, strict=False):
            mask = object_mask(item, image.size)
            filled = true.mask | (true.shape == "ring") * mask
            assert (mask & filled).sum() > 0.9 * (mask | filled).sum()


def test_traced_outlines_cover_the_mask():
    for seed in range(12):
        for item in make_scene(seed, (96, 128), (2, 5), 20).objects:
            rings = trace_outlines(item.mask)
            traced = object_mask(
                LabelledObject("", (0, 0, 1, 1), "", polygons=rings), item.mask.shape
            )
            filled = item.mask | (item.shape == "ring") * traced
            assert (traced & filled).sum() > 0.93 * (traced | filled).sum()
    two = np.zeros((20, 30), bool)
    two[2:5, 3:6] = two[8:18, 10:25] = True
    first, second = trace_outlines(two)
    assert max(first[::2]) > 20 > max(second[::2])
    assert trace_outlines(np.zeros((9, 9), bool)) == ()
