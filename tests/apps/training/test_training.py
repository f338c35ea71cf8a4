import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.apps.live.test_loop import start
from tests.conftest import (
    PATIENCE,
    newest,
    newest_figures,
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
FIGURES = {
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


def figures(run):
    return json.loads((run / "metrics.json").read_text())["metrics"]


OPTIONAL = (
    *("val/true", "val/correlation/", "val/five_point_error"),
    *("train/photographs", "train/people"),
)
"""Figures that depend on the data, and on what is predicted."""


def declared_and_logged(run):
    """The figures that a task declares, and those that its training logged."""
    logged = {each for each in figures(run) if each.startswith(("train/", "val/"))}
    return set(load_task(run / "best.ckpt").figures), logged


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
    assert 0 <= content["metrics"][FIGURES[task]] <= 1
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


def fit_scenes(visus, *more):
    return visus(
        *("fit", "--config", "classification/scenes", *TINY, "--trainer.max_epochs", "2"),
        *("--data.count", "32", "--data.num_workers", "0", *more),
    )


def test_equal_seeds_give_equal_runs(visus):
    losses = []
    for seed in ("1", "1", "2"):
        assert fit_scenes(visus, "--seed_everything", seed)[0] == 0
        losses.append(newest_figures()["val/loss"])
    assert losses[0] == losses[1] != losses[2]


def test_a_run_is_resumed(visus):
    assert fit_scenes(visus)[0] == 0
    last = newest("runs/*/*/*/last.ckpt")
    code, out, err = fit_scenes(visus, "--trainer.max_epochs", "3", "--resume", last)
    assert code == 0, err
    assert "epoch 3/3" in out and "epoch 2/3" not in out
    # Without a name the latest run is resumed.
    code, out, err = visus("fit", "--resume", "--trainer.max_epochs", "4")
    assert code == 0 and "epoch 4/4" in out and "epoch 3/4" not in out, err


def test_an_interrupted_run_is_resumed_as_it_was_started(visus):
    sgd = ("--optimizer", "SGD", "--optimizer.lr", "0.01")
    assert fit_scenes(visus, *sgd, "--trainer.max_epochs", "3")[0] == 0
    expected = newest_figures()["val/loss"]
    assert fit_scenes(visus, *sgd, "--trainer.max_epochs", "3", "--trainer.max_steps", "1")[0] == 0
    run = newest("runs/*/*/*/last.ckpt").parent
    content = torch.load(run / "last.ckpt", weights_only=True)
    # As if it had been stopped after its first epoch.
    content["visus"]["training"]["trainer"]["max_steps"] = -1
    torch.save(content, run / "last.ckpt")
    (run / "metrics.json").unlink()
    code, out, err = visus("fit", "--resume", run)
    assert code == 0 and "epoch 3/3" in out, err
    assert newest_figures()["val/loss"] == pytest.approx(expected, rel=1e-6)


def test_other_arguments_than_those_of_the_run_are_refused(visus):
    assert fit_scenes(visus)[0] == 0
    last = newest("runs/*/*/*/last.ckpt")
    code, _, err = fit_scenes(visus, "--resume", last, "--model.learning_rate", "0.5")
    assert code == 2
    assert "learning_rate 0.5" in err and "0.004" in err


def test_initial_weights_come_from_another_run(visus, tmp_path):
    assert fit_scenes(visus, "--trainer.max_epochs", "1")[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    reached = json.loads((run / "metrics.json").read_text())["metrics"]["val/loss"]
    still = ("--model.learning_rate", "1e-12", "--trainer.max_epochs", "1")
    code, _, err = fit_scenes(visus, *still, "--init-from", run)
    assert code == 0 and "--init-from" not in err, err
    assert newest_figures()["val/loss"] == pytest.approx(reached, rel=1e-4)
    assert fit_scenes(visus, *still)[0] == 0
    assert newest_figures()["val/loss"] != pytest.approx(reached, rel=1e-4)
    # Other classes have a last layer of their own.
    for i in range(8):
        save_scene(tmp_path / "photos" / ("ant" if i % 2 else "bee") / f"{i}.png", i)
    own = ("fit", "--config", "classification/custom", *SMALL, "--data.root", tmp_path / "photos")
    own = (*own, *("--data.image_size", "[64,64]", "--data.num_workers", "0"))
    code, _, err = visus(*own, "--data.batch_size", "4", "--init-from", "latest")
    assert code == 0, err
    assert err.count("network.") == 2 and "keep their random initial values" in err


def test_initial_weights_that_do_not_match_are_refused(visus):
    assert fit_scenes(visus)[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    for more, message in (
        (("--init-from", "none.ckpt"), "none.ckpt"),
        (("--init-from", run, "--resume", run), "leave one of the two out"),
        (("--init-from", "face3d"), "is of task 'face3d'; use a model of task 'classif"),
        (("--init-from", run, "--model.backbone", "convnet"), "with (--model.backbone lenet5)"),
        (("--init-from", "digits"), "digits"),
    ):
        code, _, err = fit_scenes(visus, *more)
        assert code == 2 and message in err, err
    assert len(list(Path().glob("runs/*/*/*"))) == 1
    code, _, err = visus("test", run, "--init-from", run)
    assert code == 2 and "leave one of the two out" in err


def test_last_checkpoint_is_that_of_the_last_epoch(visus):
    assert fit_scenes(visus)[0] == 0
    last = torch.load(newest("runs/*/*/*/last.ckpt"), weights_only=True)
    assert last["epoch"] == 1


def test_a_checkpoint_of_weights_alone_has_the_same_figures(visus):
    assert fit_scenes(visus)[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    code, out, err = visus("export", run, "--output", "slim.ckpt")
    assert code == 0 and "weights alone" in out, err
    assert Path("slim.ckpt").stat().st_size < 0.5 * (run / "best.ckpt").stat().st_size
    figures = []
    for model in (run, "slim.ckpt"):
        assert visus("test", model)[0] == 0
        figures.append(newest_figures())
    assert figures[0]["test/accuracy"] == figures[1]["test/accuracy"]
    assert figures[0]["test/loss"] == pytest.approx(figures[1]["test/loss"], abs=0.01)
    code, _, err = fit_scenes(visus, "--resume", "slim.ckpt")
    assert code == 2 and "weights alone" in err
    code, _, err = visus("export", "slim.ckpt", "--output", "slim.ckpt")
    assert code == 2 and "is the model itself" in err


def test_averaged_weights_are_saved_and_tested(visus):
    code, _, err = fit_scenes(
        visus,
        *("--trainer.callbacks", "EMAWeightAveraging", "--trainer.callbacks.decay", "0.9"),
    )
    assert code == 0, err
    code, _, err = visus("test", "latest")
    assert code == 0, err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ["--trainer.max_epoch", "3"],
            ["--trainer.max_epoch", "did you mean --trainer.max_epochs"],
        ),
        (["--trainer.max_epochs", "many"], ["--trainer.max_epochs", "'many'", "int"]),
        (["--model.bakbone", "lenet5"], ["--model.bakbone", "did you mean backbone"]),
        (["--model.backbone", "lenet6"], ["lenet6", "did you mean lenet5"]),
        (["--model", "os.system"], ["os.system", "--allow-custom-classes"]),
        (["--data.class_path", "subprocess.Popen"], ["subprocess.Popen", "not allowed"]),
        (["--model.data_info", "{}"], ["--model.data_info", "follows from the data"]),
        (["--config", "classification/digist"], ["digist", "classification/digits"]),
        (["--resume", "none.ckpt"], ["none.ckpt"]),
        (["--ckpt_path", "none.ckpt"], ["--ckpt_path", "here it is --resume"]),
        (["--epochs", "3"], ["--epochs", "here it is --trainer.max_epochs"]),
        (["--root", "x"], ["--root", "here it is --data"]),
        (["--imgsz", "64"], ["--imgsz", "here it is --data.image_size"]),
        (["photos"], ["'photos'", "options begin with --"]),
        (["--optimizer", "os.getcwd"], ["os.getcwd", "not allowed"]),
        (["--data.batch_size", "0"], ["batch_size 0"]),
        (["--model.mixup", "-1"], ["model.mixup -1"]),
        (["--model.backbone_options", "{init: hee}"], ["hee", "he, glorot"]),
        (["--model.backbone_options", "{activation: nope}"], ["nope", "relu"]),
        (["--trainer.accelerator", "gpu"], ["accelerator"]),
    ],
)
def test_wrong_arguments_are_one_line_with_a_remedy(visus, more, words):
    code, _, err = visus("fit", "--config", "classification/digits", *more)
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err


def test_custom_data_needs_its_root(visus):
    code, _, err = visus("fit", "--config", "classification/custom")
    assert code == 2 and "--data.root is required" in err


def test_any_optimiser_and_schedule(visus):
    code, _, err = fit_scenes(
        visus,
        *("--optimizer", "SGD", "--optimizer.lr", "0.01"),
        *("--lr_scheduler", "StepLR", "--lr_scheduler.step_size", "1"),
    )
    assert code == 0, err
    assert fit_scenes(visus, "--optimizer", "SGD", "--optimizer.lr", "0.01")[0] == 0


def test_a_custom_class_is_imported_only_when_allowed(visus, workplace):
    (workplace / "mydata.py").write_text(
        "from visus.datamodules.classification.arrays import DigitsData\n"
        "class MyDigits(DigitsData):\n    pass\n"
    )
    arguments = ["fit", "--config", "classification/digits", *SMALL, "--data", "mydata.MyDigits"]
    code, _, err = visus(*arguments)
    assert code == 2 and "mydata.MyDigits" in err and "mydata" not in sys.modules
    # In a new process, as denied imports stay denied within one.
    script = Path(sys.executable).with_name("visus")
    command = [script, *arguments, "--allow-custom-classes"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_hostile_class_path_in_a_checkpoint_is_ignored(visus, workplace):
    assert fit_scenes(visus)[0] == 0
    path = newest("runs/*/*/*/best.ckpt")
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"] = {"_class_path": "os.system", "command": "touch exploded"}
    torch.save(content, "a.ckpt")
    assert visus("test", "a.ckpt")[0] == 0
    content["visus"]["data"] = {"class_path": "subprocess.Popen", "init_args": {"args": "true"}}
    torch.save(content, "b.ckpt")
    code, _, err = visus("test", "b.ckpt")
    assert code == 2 and "not allowed" in err
    assert not (workplace / "exploded").exists()


def test_bad_images_prevent_training_unless_they_are_left_out(visus, photos):
    (photos / "circle" / "bad.jpg").write_text("text")
    arguments = [
        "fit",
        "--config",
        "classification/custom",
        *SMALL,
        *ARGUMENTS["classification/custom"],
    ]
    code, _, err = visus(*arguments)
    assert code == 2 and "bad.jpg" in err and "--data.skip_bad true" in err
    code, out, err = visus(*arguments, "--data.skip_bad", "true")
    assert code == 0, err
    assert "1 bad sample left out" in out and "bad.jpg" in err
    code, out, _ = visus("test", "latest")
    assert code == 0 and "1 bad sample left out" in out
    assert json.loads((newest("runs/*/*/*/metrics.json")).read_text())["skipped"] == 1


def test_a_checkpoint_names_classes_of_other_data(visus, photos):
    assert visus("fit", "--config", "classification/custom", *SMALL,
                 *ARGUMENTS["classification/custom"])[0] == 0  # fmt: skip
    run = newest("runs/*/*/*")
    save_scene(photos.parent / "fewer" / "cross" / "a.png", 77, "cross")
    code, _, err = visus("test", run, "--data.root", "fewer")
    assert code == 0, err
    save_scene(photos.parent / "fewer" / "zebra" / "a.png", 78)
    code, _, err = visus("test", run, "--data.root", "fewer")
    assert code == 2 and "zebra" in err and "circle, cross" in err
    flat = photos / "circle"
    code, _, err = visus("predict", run, flat, "--jsonl", "o.jsonl")
    assert code == 0, err
    assert len(Path("o.jsonl").read_text().splitlines()) == 10


def test_two_processes_train_and_agree_with_one(two_processes, same_by_two_processes):
    """The samplers, the gathered figures and the shared run folder."""
    training = ["fit", "--config", "classification/scenes", *SMALL, "--data.count", "67"]
    printed = two_processes(*training, "--data.num_workers", "0")
    assert "sync_dist" not in printed
    (run,) = Path().glob("runs/*/*/*")
    # 16 test images and batches of 3: neither divides evenly between the processes.
    same_by_two_processes(run, "--data.batch_size", "3")


def test_several_labels_an_image(visus, photos):
    rows = [f"circle/{i}.png,circle|round" for i in range(10)]
    rows += [f"cross/{i}.png,cross" for i in range(9)] + ["cross/9.png,|"]
    (photos / "labels.csv").write_text("\n".join(["path,label", *rows]))
    arguments = [*SMALL, *ARGUMENTS["classification/custom"]]
    code, _, err = visus("fit", "--config", "classification/custom", *arguments)
    assert code == 0, err
    code, out, err = visus("test", "latest")
    assert code == 0, err
    assert "round" in out
    assert "test/f1/round" in newest_figures()
    code, _, err = visus(
        "fit", "--config", "classification/custom", *arguments, "--data.multi_label", "false"
    )
    assert code == 2 and "circle|round" in err and "one label is expected" in err


def test_predict_names_bad_images_and_needs_no_labels(visus, photos):
    arguments = [*SMALL, *ARGUMENTS["classification/custom"]]
    assert visus("fit", "--config", "classification/custom", *arguments)[0] == 0
    run = newest("runs/*/*/*")
    (photos / "circle" / "bad.jpg").write_text("text")
    code, _, err = visus("predict", run, photos, "--jsonl", "o.jsonl")
    assert code == 3 and "bad.jpg" in err
    assert len(Path("o.jsonl").read_text().splitlines()) == 20
    (photos / "list.csv").write_text("path\ncircle/1.png\ncross/2.png\n")
    code, _, err = visus("predict", run, "photos/list.csv", "--jsonl", "listed.jsonl")
    assert code == 0, err
    assert len(Path("listed.jsonl").read_text().splitlines()) == 2


def test_data_of_unknown_classes_are_refused(visus):
    assert fit_scenes(visus)[0] == 0
    code, _, err = visus(
        "test", "latest", "--data", "visus.datamodules.classification.arrays.DigitsData"
    )
    assert code == 2 and "unknown label" in err and "circle" in err


def test_fit_without_data_or_configuration_names_some(visus):
    code, _, err = visus("fit")
    assert code == 2 and "classification/custom" in err and "--data PATH" in err


def test_fit_recognises_the_task_from_the_data(visus, photos):
    save_masked(Path("masks"), "folders")
    for root, config, more in (
        ("photos", "classification/custom", ["--model.backbone", "lenet5"]),
        ("masks", "segmentation/custom", ["--model.backbone", "test_resnet"]),
    ):
        code, out, err = visus(
            *("fit", "--data", root, *more, "--model.pretrained", "false"),
            *("--data.num_workers", "0", "--data.batch_size", "4"),
            *("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"),
        )
        assert code == 0, err
        assert f"--config {config}" in out
        assert newest(f"runs/{config}/*")


def test_a_folder_whose_name_holds_help_is_data(visus, photos):
    photos.rename("helpers")
    code, out, err = visus("fit", "--data", "helpers", "--model.backbone", "nonsense")
    assert "--config classification/custom" in out
    assert code == 2 and "nonsense" in err


@pytest.mark.parametrize("option", ["--init-from", "--init_from"])
def test_options_are_written_with_hyphens_or_underscores(visus, option):
    code, _, err = fit_scenes(visus, option, "none.ckpt")
    assert code == 2 and "none.ckpt" in err


def test_an_interrupted_run_has_its_own_exit_code(workplace):
    run = start("fit", "--config", "classification/digits", *TINY, "--trainer.max_epochs", "1000")
    assert any(b"epoch 1/" in line for line in run.stdout)
    run.terminate()
    _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 143
    assert b"stopped by SIGTERM; continue with visus fit --resume runs/classification/" in err
