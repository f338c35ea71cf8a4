"""Which files the readers of boxes use: their names, links, and paths out of the data set."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.datamodules.core.test_formats import edit_coco, edit_yaml, listed
from tests.reliability.test_annotations_detection import save_boxes
from visus.datamodules.core.detection_files import read_detection


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_files_that_are_not_read_are_reported(tmp_path, format):
    root = save_boxes(tmp_path / "set", format)
    (root / "README.md").write_text("accompanies the data")
    assert listed(root)[1] == "no problems"
    extra = root / "more"
    extra.mkdir()
    shutil.copy(next(root.rglob("p0.png")), extra / "new.JFIF")
    (extra / "notes.csv").write_text("a,b")
    _, text = listed(root)
    assert f"holds 1 image that is not used (1 .jfif), the first is {extra / 'new.JFIF'}" in text
    assert f"holds 1 file that is not read (1 .csv), the first is {extra / 'notes.csv'}" in text


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_pipes_are_named_and_not_waited_for(tmp_path, format):
    root = save_boxes(tmp_path / "set", format)
    folders = {path.parent for path in root.rglob("*") if path.is_file()} | {root}
    pipes = [folder / f"pipe{suffix}" for folder in folders
             for suffix in (".json", ".xml", ".txt", ".yaml", ".png")]  # fmt: skip
    for pipe in pipes:
        os.mkfifo(pipe)
    listing, text = listed(root)
    assert all(f"error: {pipe}: is a pipe, socket or device" in text for pipe in pipes)
    assert len(listing.samples) == 3


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_case_and_links_do_not_matter(tmp_path, format):
    root = save_boxes(tmp_path / "set", format)
    expected = sorted(len(i.objects) for i in read_detection(root).samples)
    for path in [p for p in root.rglob("*") if p.suffix in {".txt", ".xml", ".json", ".png"}]:
        path.rename(path.with_suffix(path.suffix.upper()))
    images = {"coco": "train", "voc": "JPEGImages", "yolo": "images"}[format]
    (root / images).rename(tmp_path / "elsewhere")
    (root / images).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    listing, text = listed(root)
    assert text == "no problems"
    assert sorted(len(i.objects) for i in listing.samples) == expected


def test_two_images_of_one_name_and_labels_without_an_image_are_errors(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    images, labels = root / "images/train", root / "labels/train"
    shutil.copy(images / "p1.png", images / "p0.jpg")
    (labels / "p1.txt").rename(labels / "P_1.txt")
    listing, text = listed(root)
    assert "p0.png has the same name, and one label file" in text
    assert f"error: {labels / 'P_1.txt'}: has no image of its name" in text
    assert f"warning: {images / 'p1.png'}: has no label file, as 1 of 4 images" in text
    assert [i.path.stem for i in listing.samples] == ["p1", "p2"]
    shutil.copy(labels / "p2.txt", labels / "p2.TXT")
    assert "p2.png: has several label files" in listed(root)[1]


def secret(tmp_path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "key.txt").write_text("SECRET\n")
    shutil.copy(next(tmp_path.rglob("p0.png")), folder / "p9.png")
    return folder


@pytest.mark.parametrize("written", ["absolute", "relative", "mixed"])
def test_paths_in_coco_stay_inside_the_data_set(tmp_path, written):
    root = save_boxes(tmp_path / "set", "coco")
    target = secret(tmp_path) / "p9.png"
    name = {
        "absolute": str(target),
        "relative": os.path.relpath(target, root / "annotations"),
        "mixed": os.path.relpath(target, root / "annotations").replace("/", "\\"),
    }[written]
    edit_coco(root, lambda c: c["images"][1].update(file_name=name))
    listing, text = listed(root)
    assert "images[1]: names " in text and "lies outside of" in text
    assert "--data.allow_outside true" in text and len(listing.samples) == 2
    assert any(i.path == target for i in listed(root, allow_outside=True)[0].samples)
    # An absolute path inside is fine.
    inside = str(root / "train" / "p1.png")
    edit_coco(root, lambda c: c["images"][1].update(file_name=inside))
    assert listed(root)[1] == "no problems"


def test_a_yaml_may_name_a_yolo_data_set_elsewhere_and_nothing_else(tmp_path):
    root = save_boxes(tmp_path / "datasets/set", "yolo")
    folder = secret(tmp_path)
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "data.yaml"

    def describe(**content):
        path.write_text(yaml.safe_dump({"names": ["cat", "dog"], **content}))
        return listed(path)

    assert describe(path="../datasets/set", train="images/train")[1] == "no problems"
    assert describe(path=str(root), train="images/train")[1] == "no problems"
    assert describe(train="../datasets/set/images/train")[1] == "no problems"
    for content in (
        {"train": "../private"},
        {"train": str(folder)},
        {"path": "../private", "train": "."},
        {"train": "../private/key.txt"},
        {"path": "../private", "train": "key.txt"},
        {"train": "/etc"},
        {"train": "/etc/passwd"},
    ):
        listing, text = describe(**content)
        assert "lies outside of" in text and "--data.allow_outside true" in text, content
        assert "SECRET" not in text and "root:" not in text and not listing.samples
    assert describe(train="../private", allow=1)[0].samples == ()
    assert [i.path.name for i in listed(path, allow_outside=True)[0].samples] == ["p9.png"]
    # A hidden folder is private, whatever its form.
    root.parent.rename(tmp_path / ".datasets")
    assert "lies outside of" in describe(path="../.datasets/set", train="images/train")[1]


def test_lists_of_images_do_not_print_what_is_no_path(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    folder = secret(tmp_path)
    lines = ["./images/train/p0.png", "", "password SECRET", f"{folder}/p9.png", "gone.png"]
    (root / "train.txt").write_text("\n".join(lines))
    edit_yaml(root, lambda c: c.update(train="train.txt"))
    listing, text = listed(root)
    assert [i.path.name for i in listing.samples] == ["p0.png"]
    assert "train.txt:3: names no image" in text and "SECRET" not in text
    assert "train.txt:4: names" in text and "lies outside of" in text
    assert "train.txt:5: there is no file 'gone.png'" in text
    (root / "train.txt").write_bytes(b"\xff\xfe")
    assert "train.txt: is not UTF-8 (byte 0)" in listed(root)[1]


def test_exports_of_other_tools_are_read_without_a_word(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    (root / "train").mkdir()
    for kind in ("images", "labels"):
        (root / kind / "train").rename(root / "train" / kind)
        (root / kind).rmdir()
    for name in ("README.roboflow.txt", "LICENSE", "train/labels.cache"):
        (root / name).touch()
    # The folder is beside the file, whatever the path says; the other splits are left empty.
    (root / "data.yaml").write_text(
        "train: ../train/images\nval:\ntest: null\nnc: 2\nnames: ['cat', 'dog']\n"
        "roboflow:\n  workspace: mine\n  version: 1\ndownload: |\n  import os\n"
    )
    listing, text = listed(root)
    assert text == "no problems" and len(listing.samples) == 3
    (root / "data.yaml").write_text("train:\nval: null\nnames: ['cat', 'dog']\n")
    assert "data.yaml: needs names, and train or val" in listed(root)[1]
