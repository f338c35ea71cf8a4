"""`visus fit` on the command line: its arguments, its data, its processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.apps.live.test_loop import start
from tests.apps.training.test_checkpoints import fit_scenes
from tests.apps.training.test_configs import ARGUMENTS, SMALL, TINY
from tests.conftest import (
    PATIENCE,
    newest,
    newest_metrics,
    save_masked,
    save_scene,
)


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
        (["--allow-custom-classes=false"], ["unknown option --allow-custom-classes"]),
        (["-c", "detection/custm"], ["custm", "detection/custom"]),
        (["--epochs=3"], ["option --epochs;", "here it is --trainer.max_epochs"]),
        (["--ckpt-path=none.ckpt"], ["option --ckpt-path;", "here it is --resume"]),
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
    """The samplers, the gathered metrics and the shared run folder."""
    # 17 validation images in batches of 8: one process has a batch more than the other.
    training = ["fit", "--config", "classification/scenes", *SMALL, "--data.count", "68"]
    printed = two_processes(*training, "--data.batch_size", "8", "--data.num_workers", "0")
    assert "sync_dist" not in printed
    (run,) = Path().glob("runs/*/*/*")
    # 17 test images and batches of 3: the images do not divide evenly between the processes.
    same_by_two_processes(run, "--data.batch_size", "3")


def test_options_count_more_than_a_configuration_that_follows_them(visus, photos):
    data = ("--data", "photos", "--data.batch_size", "5", "--data.num_workers", "0")
    arguments = (*SMALL, *data, "--model.pretrained", "false")
    code, out, err = visus("fit", *arguments, "--config", "classification/custom")
    assert code == 0 and "batch 5 x 1" in out, err


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
    assert "test/f1/round" in newest_metrics()
    # A test set in which no image happens to have several.
    for i in range(4):
        save_scene(Path("single") / f"{i}.png", 3000 + i, "circle")
    single = [f"{i}.png,{'circle' if i % 2 else 'round'}" for i in range(4)]
    Path("single/labels.csv").write_text("\n".join(["path,label", *single]))
    code, out, err = visus("test", "latest", "--data", "single")
    assert code == 0 and "test: 4 samples" in out, err
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
