"""The comparison with peers: data in one form, figures, the table; no peer is installed."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import save_detection, save_masked, save_scene
from visus.vision.errors import VisusError

FOLDER = Path(__file__).parents[2] / "benchmarks" / "peers"
MODULES = ("compare", "entries", "environments", "own", "prepared", "scores", "table", "trials")


@pytest.fixture
def peers(monkeypatch):
    """The modules of the comparison, imported as its command imports them."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    import compare
    import prepared
    import scores
    import table
    import trials

    yield {m.__name__: m for m in (compare, prepared, scores, table, trials)}
    for name in set(sys.modules) - before:
        if name in MODULES:
            del sys.modules[name]


@pytest.fixture
def classified(peers, workplace):
    """Ten images of two classes without a split, prepared."""
    for i in range(10):
        path = Path("photos") / ("cat", "dog")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_scene(path, i)
    return peers["prepared"].prepare("classification", Path("photos"), workplace / "data")


def write_scores(dataset, right):
    """Predictions of which the first `right` are correct."""
    images = dataset.images("val")
    files = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    rows = [["path", "dog", "cat"]]
    for i, file in enumerate(files):
        correct = (file.startswith("cat")) == (i < right)
        rows.append([file, *(("0.1", "0.9") if correct else ("0.9", "0.1"))])
    with open("scores.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return len(files)


def test_a_hold_out_becomes_class_folders_that_share_no_image(classified):
    content = {
        split: {path.read_bytes() for path in classified.split(split).rglob("*.png")}
        for split in ("train", "val")
    }
    assert (len(content["train"]), len(content["val"])) == (8, 2)
    assert not content["train"] & content["val"]


def test_prepared_data_are_kept_and_never_those_of_another_source(peers, classified, workplace):
    prepare = peers["prepared"].prepare
    (classified.root / "mark").touch()
    assert prepare("classification", Path("photos"), workplace / "data") == classified
    assert (classified.root / "mark").exists()
    Path("other").mkdir()
    Path("photos").rename("other/photos")
    with pytest.raises(VisusError, match=r"was made from .*remove it"):
        prepare("classification", Path("other/photos"), workplace / "data")


def test_accuracy_is_the_fraction_of_correct_images(peers, classified):
    count = write_scores(classified, right=1)
    score = peers["scores"].score(classified, Path("scores.csv"))
    assert score == pytest.approx(1 / count)


def test_a_missing_prediction_is_an_error(peers, classified):
    write_scores(classified, right=1)
    lines = Path("scores.csv").read_text().splitlines()
    Path("scores.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(VisusError, match=r"scores.csv: 1 predictions for 2 .*such as"):
        peers["scores"].score(classified, Path("scores.csv"))


def test_average_precision_of_perfect_and_of_half_of_the_boxes(peers, workplace):
    save_detection(workplace / "boxes", "voc", ("train", "val"))
    dataset = peers["prepared"].prepare("detection", workplace / "boxes", workplace / "data")
    truth = json.loads(dataset.split("val").read_text())
    assert all((dataset.images("val") / image["file_name"]).is_file() for image in truth["images"])
    results = [
        {key: item[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9}
        for item in truth["annotations"]
    ]
    score = peers["scores"].score
    for kept, expected in ((results, 1.0), ([], 0.0)):
        Path("boxes.json").write_text(json.dumps(kept))
        assert score(dataset, Path("boxes.json")) == pytest.approx(expected)
    Path("boxes.json").write_text(json.dumps(results[::2]))
    assert 0.2 < score(dataset, Path("boxes.json")) < 0.8
    Path("boxes.json").write_text(json.dumps([results[0] | {"image_id": 77}]))
    with pytest.raises(VisusError, match="image_id 77"):
        score(dataset, Path("boxes.json"))


def test_mean_iou_leaves_unlabelled_pixels_out(peers, workplace):
    save_masked(workplace / "masked", "annot")
    # A shape that occurs in the validation masks.
    void = int(np.asarray(Image.open("masked/valannot/p7.png")).max())
    dataset = peers["prepared"].prepare(
        "segmentation", workplace / "masked", workplace / "data", ignore=void
    )
    masks = dataset.root / "masks" / "val"
    Path("masks").mkdir()
    unlabelled = 0
    for path in masks.iterdir():
        mask = np.asarray(Image.open(path))
        unlabelled += int((mask == 255).sum())
        Image.fromarray(np.where(mask == 255, 0, mask).astype(np.uint8)).save(f"masks/{path.name}")
    assert unlabelled
    assert peers["scores"].score(dataset, Path("masks")) == pytest.approx(1.0)
    one = next(Path("masks").iterdir())
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(one)
    with pytest.raises(VisusError, match=r"size \(3, 3\)"):
        peers["scores"].score(dataset, Path("masks"))


def result(trials, entry, seed, figure, minutes=5.0):
    """A result of flowers."""
    times = (4.9, 5.1, 9.7)
    key = ("classification", "flowers", entry, minutes, seed)
    return trials.Result(*key, figure, *times, "a processor, 2 cores", {"torch": "2.14.1"})


def test_the_table_has_mean_and_spread_of_each_entry_and_time(peers):
    trials = peers["trials"]
    results = [
        *(result(trials, "fastai", seed, 0.90 + seed / 50) for seed in range(3)),
        result(trials, "visus", 0, 0.95),
        result(trials, "visus", 0, 0.96, minutes=15.0),
    ]
    rows = [
        dict(zip(peers["table"].HEADINGS, row, strict=True)) for row in peers["table"].rows(results)
    ]
    found = [
        (row["minutes"], row["entry"].split(",")[0], row["figure"], row["seeds"]) for row in rows
    ]
    assert found == [
        ("5", "visus fit --budget", "0.950", "1"),
        ("5", "fastai", "0.920 ± 0.020", "3"),
        ("15", "visus fit --budget", "0.960", "1"),
    ]
    text = peers["table"].markdown(results)
    assert "Not comparable, fastai" in text and "torch 2.14.1" in text and "2 cores" in text


def test_a_stopped_comparison_continues_and_a_failed_training_is_tried_again(
    peers, classified, monkeypatch, capsys
):
    compare, trials = peers["compare"], peers["trials"]
    measured = []

    def run_trial(entry, dataset, minutes, seed, *others):
        measured.append((entry, minutes, seed))
        if len(measured) == 2:
            raise VisusError("the process was killed")
        return result(trials, entry, seed, 0.9, minutes)

    monkeypatch.setattr(compare, "run_trial", run_trial)
    Path("other").mkdir()
    Path("photos").rename("other/flowers")
    given = compare.parse(
        [
            *("--tasks", "classification", "--data", "other/flowers", "--entries", "visus"),
            *("--minutes", "1", "2", "--seeds", "1", "2", "--output", "peers.md"),
        ]
    )
    assert compare.compare(given) == 3
    assert "classification-flowers-visus-2m-0: the process was killed" in capsys.readouterr().err
    assert measured == [("visus", 1.0, 0), ("visus", 2.0, 0), ("visus", 2.0, 1)]
    measured[:] = [None, None]
    assert compare.compare(given) == 0
    assert measured[2:] == [("visus", 2.0, 0)]
    assert len(json.loads(Path("peers.json").read_text())) == 3
    assert "0.900 ± 0.000" in Path("peers.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "detection", "--data", "a", "b"), "--tasks and --data"),
        (("--tasks", "detection", "--data", "a", "--seeds", "1"), "--minutes and --seeds"),
        (("--tasks", "detection", "--data", "a", "--entries", "fastai"), "fastai: is none of"),
        (("--tasks", "detection", "--data", "a", "--output", "a.txt"), "must end in .md"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(peers, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        peers["compare"].parse(list(arguments))
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_every_peer_has_a_script_and_pinned_requirements_with_licences():
    from ast import Import, ImportFrom, parse, walk

    folders = sorted(path.parent for path in FOLDER.glob("*/train.py"))
    assert [folder.name for folder in folders] == [
        "fastai",
        "segmentation_models",
        "torchvision",
        "ultralytics",
    ]
    for folder in folders:
        lines = (folder / "requirements.txt").read_text().splitlines()
        assert all("==" in line and "  # " in line for line in lines if not line.startswith("#"))
        for node in walk(parse((folder / "train.py").read_text())):
            names = [n.name for n in node.names] if isinstance(node, Import) else []
            names += [node.module or ""] if isinstance(node, ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"visus", "ultralytics"}
