"""Every configuration trains, tests and predicts on generated data."""

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import (
    newest,
    save_captions,
    save_detection,
    save_masked,
    save_people,
    save_scene,
)
from tests.datamodules.action.videos import save_classes, save_clip
from tests.datamodules.classification.test_npz import write_npz
from tests.datamodules.core.test_archives import write_cifar, write_fashion
from tests.datamodules.segmentation.test_downloads import write_pets, write_voc
from visus.configs import config_names, find_config
from visus.datamodules.captioning.samples import write_clips
from visus.tasks.checkpoints import load_task

TINY = ["--model.backbone", "lenet5", "--trainer.precision", "32-true"]
SMALL = [*TINY, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
_DETECTOR = ["--model.backbone", "test_resnet", "--model.channels", "16",
             "--model.pretrained", "false"]  # fmt: skip
_MASKS = [*_DETECTOR, "--data.num_workers", "0", "--data.batch_size", "2"]
_SMALL_MASKS = [*_MASKS, "--data.image_size", "[64,64]"]
_FACES = ["--model.backbone", "test_resnet", "--model.pretrained", "false",
          "--data.root", "people", "--data.align", "false", "--data.val_share", "0.3",
          "--data.batch_size", "8", "--data.num_workers", "0"]  # fmt: skip
_CAPTIONS = ["--model.backbone", "test_resnet", "--model.pretrained", "false",
             "--model.hidden_size", "16", "--data.num_workers", "0", "--data.batch_size", "4",
             "--data.image_size", "[64,64]"]  # fmt: skip
_FACES_3D = ["--model.backbone", "test_resnet", "--model.pretrained", "false",
             "--model.learning_rate", "1e-5", "--model.hidden_size", "16",
             "--data.face_model", "procedural", "--data.components", "4",
             "--data.expressions", "[jawOpen]", "--data.count", "32", "--data.batch_size", "8",
             "--data.image_size", "[64,64]", "--data.num_workers", "0"]  # fmt: skip
_OWN_CAPTIONS = [*_CAPTIONS, "--data.root", "captions", "--data.min_count", "1"]
KEYS = {
    "action": {"classes"},
    "captioning": {"caption", "captions", "score"},
    "classification": {"classes"},
    "detection": {"detections"},
    "face3d": {"faces"},
    "face_recognition": {"faces"},
    "segmentation": {"mask", "areas"},
}
MAIN_METRICS = {
    "action": "test/accuracy",
    "captioning": "test/bleu_1",
    "classification": "test/accuracy",
    "detection": "test/map",
    "face3d": "test/landmark_nme",
    "face_recognition": "test/verification_accuracy",
    "segmentation": "test/miou",
}
FILES = {
    "action": ["confusion.png"],
    "captioning": ["examples.jpg"],
    "classification": ["confusion.png"],
    "detection": ["precision_recall.png", "examples.jpg", "detections.json"],
    "face3d": ["examples.jpg"],
    "face_recognition": ["roc.png", "worst_pairs.jpg"],
    "segmentation": ["confusion.png", "examples.jpg"],
}
_CLIPS = ["--model.backbone", "resnet9", "--model.backbone_options", "{width: 8}",
          "--model.pretrained", "false", "--trainer.precision", "32-true",
          "--data.num_workers", "0", "--data.batch_size", "4", "--data.frames", "4"]  # fmt: skip
ARGUMENTS = {
    "action/custom": [*_CLIPS, "--data.root", "clips", "--data.image_size", "[32,32]"],
    "action/scenes": [*_CLIPS, "--data.count", "16"],
    "captioning/coco": _OWN_CAPTIONS,
    "captioning/clips": [*_OWN_CAPTIONS, "--data.root", "captioned_clips", "--data.frames", "2"],
    "captioning/custom": _OWN_CAPTIONS,
    "captioning/moving_scenes": [*_CAPTIONS, "--data.count", "16", "--data.frames", "2"],
    "captioning/scenes": [*_CAPTIONS, "--data.count", "16"],
    "classification/digits": [],
    "classification/fashion_mnist": [],
    "classification/fashion_mnist_best": [],
    "classification/npz": ["--model.backbone_options", "{}", "--data.image_size", "[32,32]"],
    "classification/cifar10": ["--model.backbone_options", "{}"],
    "classification/scenes": ["--data.count", "32", "--data.num_workers", "0"],
    "detection/scenes": [
        *_DETECTOR,
        "--data.image_size",
        "[128,128]",
        "--data.count",
        "8",
        "--data.num_workers",
        "0",
    ],
    "detection/custom": [*_DETECTOR, "--data.root", "boxes", "--data.num_workers", "0"],
    "detection/faster_rcnn": [*_DETECTOR, "--data.root", "boxes", "--data.num_workers", "0"],
    "segmentation/scenes": [
        *_SMALL_MASKS,
        "--data.count",
        "8",
        "--trainer.check_val_every_n_epoch",
        "1",
    ],
    "segmentation/custom": [*_MASKS, "--data.root", "masks"],
    "segmentation/camvid": [
        *_SMALL_MASKS,
        *("--data.root", "masks", "--data.crop_size", "[32,64]"),
        *("--trainer.check_val_every_n_epoch", "1"),
    ],
    "segmentation/oxford_pet": _SMALL_MASKS,
    "segmentation/voc": _SMALL_MASKS,
    "face3d/synthetic": _FACES_3D,
    "face_recognition/custom": [*_FACES, "--data.image_size", "[48,48]"],
    "face_recognition/faces": [*_FACES, "--data.image_size", "[150,150]"],
    "classification/custom": [
        *("--model.pretrained", "false", "--data.root", "photos"),
        *("--data.num_workers", "0", "--data.batch_size", "4"),
    ],
}


def roots(workplace, name):
    if "fashion" in name:
        return ["--data.root", str(write_fashion(workplace / "fashion"))]
    if "npz" in name:
        return ["--data.root", str(write_npz(workplace))]
    if "cifar" in name:
        return ["--data.root", str(write_cifar(workplace))]
    if name == "segmentation/oxford_pet":
        return ["--data.root", str(write_pets(workplace))]
    if name == "segmentation/voc":
        return ["--data.root", str(write_voc(workplace))]
    return []


def metrics(run):
    return json.loads((run / "metrics.json").read_text())["metrics"]


OPTIONAL = (
    *("val/true", "val/correlation/", "val/five_point_error"),
    *("train/photographs", "train/people"),
)
"""Metrics that depend on the data, and on what is predicted."""


def declared_and_logged(run):
    """The metrics that a task declares, and those that its training logged."""
    logged = {each for each in metrics(run) if each.startswith(("train/", "val/"))}
    return set(load_task(run / "best.ckpt").metric_names), logged


@pytest.mark.parametrize("name", config_names())
def test_every_config_fits_tests_and_predicts(name, visus, workplace, photos):
    if name.startswith("detection/"):
        save_detection(workplace / "boxes", "coco", ("train", "val"))
    save_masked(workplace / "masks", "annot")
    save_people(workplace / "people", 7, 2)
    save_captions(workplace / "captions", 12)
    if name == "action/custom":
        save_classes(workplace / "clips")
    if name == "captioning/clips":
        write_clips(workplace / "captioned_clips")
    code, out, err = visus(
        "fit", "--config", name, *SMALL, *ARGUMENTS[name], *roots(workplace, name)
    )
    assert code == 0, err
    assert "learning rate" in out
    task, short = name.split("/")
    run = newest(f"runs/{task}/{short}/*")
    for made in (
        "best.ckpt",
        "last.ckpt",
        "config.yaml",
        "metrics.csv",
        "metrics.json",
        "curves.png",
    ):
        assert (run / made).is_file(), made
    assert list(run.glob("events.out.tfevents.*"))
    declared, logged = declared_and_logged(run)
    assert logged <= declared
    assert {each for each in declared - logged if not each.startswith(OPTIONAL)} == set()
    code, out, err = visus("test", "latest")
    assert code == 0, err
    tested = newest(f"runs/{task}/{short}/*")
    content = json.loads((tested / "metrics.json").read_text())
    assert content["checkpoint"] == str((run / "best.ckpt").resolve())
    assert 0 <= content["metrics"][MAIN_METRICS[task]] <= 1
    assert all((tested / made).is_file() for made in FILES[task])
    source, drawn, frames = save_source(task)
    code, out, err = visus("predict", run, source, "--jsonl", "o.jsonl", "--draw", "drawn")
    assert code == 0, err
    lines = Path("o.jsonl").read_text().splitlines()
    assert len(lines) == frames
    video = {"frame", "time"} if frames > 1 else set()
    assert {"source", "width", "height", "task", *video, *KEYS[task]} == set(json.loads(lines[-1]))
    assert Path(drawn).is_file()


def save_source(task):
    """Something to predict: the file, the one that is drawn, and its number of frames."""
    if task == "action":
        return save_clip(Path("scene.mp4"), 1.0), "drawn/scene.mp4", 10
    return save_scene(Path("scene.png"), 1, size=(64, 80)), "drawn/scene.jpg", 1


@pytest.mark.parametrize("name", config_names())
def test_configs_are_short(name):
    text = find_config(name).read_text()
    assert len(text.splitlines()) < 30
    assert set(yaml.safe_load(text)) <= {"model", "data", "trainer"}
