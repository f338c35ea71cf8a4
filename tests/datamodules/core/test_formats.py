"""What the formats of boxes could read wrong in silence, or not at all: each is named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.reliability.test_annotations_detection import save_boxes
from visus.datamodules.core.detection_files import read_detection
from visus.datamodules.core.formats import voc
from visus.datamodules.core.images import check_copies
from visus.datamodules.core.problems import report


def listed(root, **options):
    listing = read_detection(root, **options)
    return listing, report(listing.problems)


def edit_coco(root, change):
    path = root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rename(entry, old, new):
    entry[new] = entry.pop(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][1].update(iscrowd="1"), "its iscrowd '1' is neither 0 nor 1"),
        (lambda c: c["annotations"][1].update(iscrowd=2), "its iscrowd 2 is neither 0 nor 1"),
        (lambda c: c["annotations"][1].update(iscrowd="yes"), "its iscrowd 'yes'"),
        (lambda c: c["annotations"][1].update(area="400"), "its area '400' is not a number"),
        (lambda c: c["annotations"][1].update(area=-4), "its area -4 is not a number"),
        (lambda c: c["annotations"][1].update(area=4e6), "its area 4e+06 is larger"),
        (lambda c: rename(c["annotations"][1], "iscrowd", "isCrowd"), "'isCrowd' must be written"),
        (lambda c: rename(c["annotations"][0], "segmentation", "Segmentation"), "'Segmentation'"),
        (lambda c: rename(c, "annotations", "Annotations"), "'Annotations' must be written"),
        (
            lambda c: c["annotations"][0].update(segmentation=[[5, 4, 25, 4, 25, 900]]),
            "its outline reaches 860 px outside the image of 60 x 40",
        ),
        (
            lambda c: c["annotations"][0].update(segmentation=[[40, 30, 50, 30, 50, 38]]),
            "of its mask do not overlap",
        ),
        (
            lambda c: c["annotations"][0].update(segmentation=[[5, 4, 9, 4, 9, 9]]),
            "differs from the box (5, 4, 9, 9) of its mask",
        ),
        (
            lambda c: c["annotations"][0].update(
                segmentation={"size": [60, 40], "counts": [300, 100, 2000]}
            ),
            "its run lengths fill a mask of 40 x 60, the image is 60 x 40",
        ),
        (
            lambda c: c["annotations"][0].update(
                segmentation={"size": [40, 60], "counts": "\x00abc"}
            ),
            "its segmentation is neither",
        ),
        (
            lambda c: c["annotations"][1].update(image_id=[1]),
            "its image_id [1] is not an image's id",
        ),
        (lambda c: c["annotations"][1].update(id=[[1]]), "its id [[1]] is not a number"),
        (lambda c: c["images"][1].update(file_name="x" * 300), "300 characters"),
        (lambda c: c["images"][1].update(file_name="a\0b"), "names no file"),
        (lambda c: c["images"][1].update(file_name="\ud800.png"), "there is no file"),
        (lambda c: c["images"][1].update(file_name="p0.png"), "images[0] does; merge the two"),
        (lambda c: c["images"].pop(1), "refers to image 2, which is not listed"),
        (lambda c: c["categories"][0].update(name="a\nb"), "'a\\nb' is empty or not printable"),
        (lambda c: c["categories"][0].update(name="Dog"), "differ in case or spaces only"),
    ],
)
def test_coco_is_not_read_wrong_in_silence(tmp_path, change, message):
    root = save_boxes(tmp_path / "set", "coco")
    edit_coco(root, change)
    # A problem hides no other one.
    edit_coco(root, lambda c: c.get("annotations", [{}] * 6)[5].update(bbox="none"))
    _, text = listed(root)
    assert message in text
    assert "annotations[5]: its bbox 'none'" in text or "Annotations" in message
    assert all(line.count("\n") == 0 and len(line) < 700 for line in text.splitlines())


def test_a_repeated_key_of_json_does_not_replace_the_first(tmp_path):
    root = save_boxes(tmp_path / "set", "coco")
    path = root / "annotations" / "instances_train.json"
    path.write_text(path.read_text()[:-1] + ', "annotations": []}')
    assert "an object has the key 'annotations' twice" in listed(root)[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<difficult>1", "<difficult>true", ":9: its <difficult> is 'true', neither 0 nor 1"),
        ("<difficult>1", "<difficult>2", ":9: its <difficult> is '2'"),
        ("difficult>", "Difficult>", ":6: <Difficult> must be written <difficult>"),
        ("object>", "Object>", ":4: <Object> must be written <object>"),
        ("object>", "item>", ":7: a <bndbox> that is in no <object>"),
        ("<object>", "<list><object>", ":4: an <object> that is not in <annotation>"),
        ("<xmin>5", "<xmin>1</xmin><xmin>5", ":7: <bndbox> has several <xmin>"),
        ("<name>cat", "<name>dog</name><name>cat", ":4: <object> has several <name>"),
        ("<filename>", "<filename>p2.png</filename><filename>", "has several <filename>"),
        ("annotation>", "annotations>", "its root is <annotations>, not <annotation>"),
        ("<xmin>5", "<xmin>1_0", "xmin '1_0'"),
        ("<xmin>5", "<xmin>\u0665", "xmin '\u0665'"),
        ("<width>60", "<width>60.5", ":3: states no usable size"),
    ],
)
def test_voc_is_not_read_wrong_in_silence(tmp_path, old, new, message):
    root = save_boxes(tmp_path / "set", "voc")
    path = root / "Annotations" / "p1.xml"
    text = path.read_text().replace(old, new)
    text = text.replace("</object>", "</object></list>") if "<list>" in new else text
    path.write_text(text)
    (root / "Annotations" / "p2.xml").write_text("<")
    _, text = listed(root)
    assert f"{path}{message}" in text or (message in text and str(path) in text)
    assert "p2.xml: is not usable XML" in text


def test_a_list_of_voc_may_hold_names_with_spaces_and_flags(tmp_path):
    root = save_boxes(tmp_path / "set", "voc")
    for old, new in (("p0", "my photo"), ("p1", "Caf\u00e9 1")):
        (root / f"JPEGImages/{old}.png").rename(root / f"JPEGImages/{new}.png")
        (root / f"Annotations/{old}.xml").rename(root / f"Annotations/{new}.xml")
    lists = root / "ImageSets/Main"
    lists.joinpath("train.txt").write_text("my photo  1\nCaf\u00e9 1\n")
    lists.joinpath("VAL.TXT").write_text("p2.png\n")
    lists.joinpath("cat_train.txt").write_text("my photo  1\n")
    listing, text = listed(root)
    assert text == "no problems"
    assert {(i.path.stem, i.split) for i in listing.samples} == {
        ("my photo", "train"), ("Caf\u00e9 1", "train"), ("p2", "val")
    }  # fmt: skip


def test_a_list_of_voc_for_training_and_validation_together_is_read(tmp_path):
    root = save_boxes(tmp_path / "set", "voc")
    lists = root / "ImageSets/Main"
    for path in lists.iterdir():
        path.unlink()
    lists.joinpath("test.txt").write_text("p0\n")
    lists.joinpath("trainval.txt").write_text("p1\np2\n")
    listing, text = listed(root)
    assert text == "no problems"
    splits = {image.path.stem: image.split for image in listing.samples}
    assert splits == {"p0": "test", "p1": "train", "p2": "train"}
    # Beside the two it repeats, it is not read.
    lists.joinpath("train.txt").write_text("p1\n")
    lists.joinpath("val.txt").write_text("p2\n")
    splits = {image.path.stem: image.split for image in listed(root)[0].samples}
    assert splits == {"p0": "test", "p1": "train", "p2": "val"}


def test_voc_prefers_the_exact_file_name_and_refuses_to_guess(tmp_path):
    root = save_boxes(tmp_path / "set", "voc")
    images, xml = root / "JPEGImages", root / "Annotations" / "p0.xml"
    shutil.copy(images / "p1.png", images / "p0.jpg")
    listing, text = listed(root)
    assert [i.path.name for i in listing.samples][:1] == ["p0.png"]
    assert "holds 1 image that is not used (1 .jpg)" in text
    xml.write_text(xml.read_text().replace("p0.png", "p0"))
    listing, text = listed(root)
    assert "p0.xml: its image may be " in text and len(listing.samples) == 2
    # Another image's name is taken at its word, with a warning; two XML files of one image are not.
    xml.write_text(xml.read_text().replace(">p0<", ">C:\\photos\\p1.png<"))
    _, text = listed(root)
    assert "p0.xml: its <filename> is" in text
    assert f"p1.xml: labels {images / 'p1.png'}, as {xml} does" in text


def edit_yaml(root, change):
    path = root / "data.yaml"
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(names={1: "cat", 2: "dog"}), "ids run from 0 without a gap, and 0 is"),
        (lambda c: c.update(names={0: "cat", 2: "dog"}), "and 1 is missing"),
        (lambda c: c.update(names=["cat", {"dog": 1}]), "its names are neither"),
        (lambda c: c.update(names=["cat", ""]), "its names are neither"),
        (lambda c: c.update(nc=3), "states nc '3', but 2 names"),
        (lambda c: c.update(kpt_shape=[17]), "its kpt_shape ['17'] is not"),
        (lambda c: rename(c, "train", "Train"), "'Train' must be written 'train'"),
        (lambda c: c.update(train={"a": 1}), "neither a folder nor a list of folders"),
        (lambda c: c.update(train="labels"), "which holds no images"),
    ],
)
def test_the_yaml_of_yolo_is_not_read_wrong_in_silence(tmp_path, change, message):
    root = save_boxes(tmp_path / "set", "yolo")
    edit_yaml(root, change)
    # A problem of the YAML file hides none of the labels.
    if not any(words in message for words in ("Train", "folder", "holds no images")):
        (root / "labels/train/p2.txt").write_text("0 0.5 x 0.5 0.5\n")
        assert "p2.txt:1: value 2 after the class id is not a finite fraction" in listed(root)[1]
    assert message in listed(root)[1]


def test_names_of_yolo_are_read_as_they_are_written(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    path = root / "data.yaml"
    path.write_text("train: images/train\nnames: [no, 010]\n")
    assert read_detection(root).class_names == ("no", "010")
    path.write_text("train: images/train\nnames: {0: cat, 1: dog, 0: bird}\n")
    assert "data.yaml: line 2: the key '0' occurs twice" in listed(root)[1]
    path.write_text("train: images/train\nnames: [cat, dog\n")
    assert "data.yaml: line 3: not YAML" in listed(root)[1]
    path.unlink()
    (root / "classes.txt").write_text("cat\n\ndog\n")
    assert "classes.txt:2: is empty" in listed(root)[1]
    (root / "classes.txt").write_bytes(b"c\xe4t\ndog\n")
    assert "classes.txt: is not UTF-8 (byte 1)" in listed(root)[1]


def test_key_points_are_declared_and_not_taken_for_outlines(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    expected = [o.box for i in read_detection(root).samples for o in i.objects]
    for path in (root / "labels").rglob("*.txt"):
        path.write_text(path.read_text().replace("\n", " 0.4 0.4 0.6 0.6\n"))
    edit_yaml(root, lambda c: c.update(kpt_shape=[2, 2]))
    listing, text = listed(root)
    assert text == "no problems"
    assert [o.box for i in listing.samples for o in i.objects] == expected
    edit_yaml(root, lambda c: c.update(kpt_shape=[2, 3]))
    assert "has 8 values after the class id; kpt_shape declares 10" in listed(root)[1]


def test_outlines_among_boxes_are_noticed(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    path = root / "labels/train/p1.txt"
    path.write_text("0 0.2 0.2 0.6 0.2 0.6 0.6\n" + path.read_text())
    assert f"warning: {path}:1: is an outline, as 1 of 7 objects" in listed(root)[1]


def test_conversion_to_voc_keeps_images_without_a_split(tmp_path):
    root = save_boxes(tmp_path / "set", "yolo")
    images = sorted((root / "images").rglob("*.png"))
    listing, _ = listed(root)
    mixed = [
        replace(image, split="test" if i == 0 else "") for i, image in enumerate(listing.samples)
    ]
    names = [Path(image.path.name) for image in mixed]
    targets = voc.write(mixed, names, listing.class_names, tmp_path / "voc")
    for image, target in zip(mixed, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, target)
    written, _ = listed(tmp_path / "voc")
    assert len(written.samples) == len(images)
    assert sorted(image.split for image in written.samples) == ["test", "train", "train"]


def test_copies_within_the_training_data_stay_however_their_split_is_stated(tmp_path):
    (image, *_) = listed(save_boxes(tmp_path / "set", "coco"))[0].samples
    stated = [replace(image, split=split, place=f"p{i}") for i, split in enumerate(("", "train"))]
    kept, problems = check_copies(stated)
    assert len(kept) == 2 and [problem.severity for problem in problems] == ["warning"]
    kept, problems = check_copies([stated[0], replace(image, split="val", place="p2")])
    assert [each.split for each in kept] == ["val"] and problems[0].severity == "error"
