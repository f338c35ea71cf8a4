"""What a training and a test print: few metrics an epoch, and the samples that were measured."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import newest, save_scene

TINY = ("--model.backbone", "lenet5", "--model.pretrained", "false", "--data.num_workers", "0",
        "--data.batch_size", "8", "--data.image_size", "[32, 32]")  # fmt: skip
NOTE = "the data has no test split; best.ckpt was chosen by these same samples"


@pytest.fixture
def trained(visus, photos):
    code, out, err = visus("fit", "--data", photos, *TINY, "--trainer.max_epochs", "2")
    assert code == 0, err
    return out


def test_an_epoch_has_three_metrics_and_the_file_all(visus, trained):
    lines = re.findall(r"^epoch \d/2  .*$", trained, re.MULTILINE)
    assert len(lines) == 2 and "nan" not in trained
    for line in lines:
        metrics = line.split("  ")[2:]
        assert len(metrics) == 3 and metrics[0].startswith("val/accuracy ")
        assert metrics[1].startswith("val/loss ")
    path = Path(re.search(r"all metrics of the validations: (\S+)", trained)[1])
    with path.open() as file:
        names = next(csv.reader(file))
    assert {"val/accuracy", "val/loss"} < set(names) and len(names) > 5


def test_a_test_on_the_validation_split_says_so(visus, trained):
    code, out, err = visus("test", newest("runs/*/*/*/best.ckpt").parent)
    assert code == 0, err
    assert "test, on the validation split: " in out and NOTE in out
    code, out, _ = visus("validate", newest("runs/*/*/*/best.ckpt").parent)
    assert code == 0 and "val: " in out and NOTE not in out
    few = ("--data.count", "16", "--trainer.max_epochs", "1")
    assert visus("fit", "--config", "classification/scenes", *TINY, *few)[0] == 0
    code, out, _ = visus("test", "latest")
    assert code == 0 and "test: 4 samples" in out and NOTE not in out


def test_moved_data_are_tested_on_the_hold_out(visus, trained, photos):
    shutil.move(photos, "moved")
    code, out, err = visus("test", "latest", "--data", "moved")
    assert code == 0, err
    assert "test, on the validation split: 4 samples" in out and NOTE in out
    # Another data set, which has none of the images, is tested as a whole.
    for label in ("circle", "cross"):
        for i in range(6):
            save_scene(Path("others") / label / f"{i}.png", 10000 + 10 * i, label)
    code, out, err = visus("test", "latest", "--data", "others")
    assert code == 0, err
    assert "test: 12 samples" in out and "training samples" not in out
    # One that has some of them is named.
    for path in Path("moved/circle").iterdir():
        shutil.copy(path, Path("others/circle") / f"more{path.name}")
    code, out, err = visus("test", "latest", "--data", "others")
    assert code == 0, err
    assert re.search(r"at least 8 of the 22 samples were training samples of this model", out)


def test_another_hold_out_of_the_same_data_is_named(visus, trained):
    code, out, err = visus("test", "latest", "--data.fold", "1")
    assert code == 0, err
    assert "at least 4 of the 4 samples were training samples of this model" in out


def test_latest_names_the_run_where_there_are_runs_of_several_tasks(visus, model, photos):
    image = next(photos.rglob("*.png"))
    best = (Path(model[1]) / "best.ckpt").read_bytes()
    for task in ("classification", "other"):
        folder = Path("runs") / task / "a" / "1"
        folder.mkdir(parents=True)
        (folder / "best.ckpt").write_bytes(best)
        code, _, err = visus("predict", "latest", image)
        assert code == 0
        assert ("visus: latest is runs/other/a/1\n" in err) == (task == "other")
