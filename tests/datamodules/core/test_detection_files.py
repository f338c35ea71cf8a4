import json
import math
import shutil

import pytest
from PIL import Image

from tests.conftest import save_detection
from visus.datamodules.core.detection_files import FORMATS, read_detection, recognise
from visus.datamodules.core.problems import DataError, refuse
from visus.datamodules.detection.convert import convert
from visus.vision.errors import VisusError


def messages(listing, severity="error"):
    return [str(p) for p in listing.problems if p.severity == severity]


def boxes(listing):
    return sorted(
        (p.split, p.path.stem, o.label, *(round(v, 2) for v in o.box))
        for p in listing.samples
        for o in p.objects
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_recognised_and_read(tmp_path, format):
    root = save_detection(tmp_path / "set", format, ("train", "val"))
    assert recognise(root) == format
    listing = read_detection(root)
    assert not listing.problems and listing.left_out == 0
    assert len(listing.samples) == 16
    assert {p.split for p in listing.samples} == {"train", "val"}
    assert set(listing.class_names) <= {"circle", "cross", "diamond"}
    # Images without objects stay as negatives.
    assert any(not p.objects for p in listing.samples)
    assert all(p.size == (96, 128) for p in listing.samples)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_conversion_there_and_back_loses_nothing_shared(tmp_path, first, second):
    start = read_detection(save_detection(tmp_path / "a", first, ("train", "val", "test"), 3))
    convert(start, second, tmp_path / "b")
    middle = read_detection(tmp_path / "b")
    convert(middle, first, tmp_path / "c")
    end = read_detection(tmp_path / "c")
    assert not middle.problems and not end.problems
    assert boxes(start) == boxes(middle) == boxes(end)


def test_outlines_survive_from_coco_to_yolo_and_back(tmp_path):
    root = save_detection(tmp_path / "a", "coco", count=2)
    path = root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    ring = [10.0, 10.0, 60.0, 12.0, 40.0, 70.0]
    content["annotations"] = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 60],
         "segmentation": [ring], "iscrowd": 0, "area": 1600},
    ]  # fmt: skip
    path.write_text(json.dumps(content))
    assert not convert(read_detection(root), "yolo", tmp_path / "b")
    (item,) = [o for p in read_detection(tmp_path / "b").samples for o in p.objects]
    assert item.polygons[0] == pytest.approx(ring, abs=1e-3)
    lost = convert(read_detection(root), "voc", tmp_path / "c")
    assert "1 masks" in str(lost[0])
    with pytest.raises(VisusError, match="not empty"):
        convert(read_detection(root), "voc", tmp_path / "c")


def test_every_problem_of_yolo_is_reported_by_line(tmp_path):
    root = save_detection(tmp_path / "set", "yolo")
    path = root / "labels" / "train" / "train0.txt"
    path.write_text(
        "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n9 0.5 0.5 0.2 0.2\n0 0.5 0.5 nan 0.2\n"
        "0 0.5 0.5 0.2\n0 1.5 0.5 0.2 0.2\n0 0.95 0.5 0.3 0.2\n0 0.5 0.5 0.0 0.2\n"
        "0 0.5 0.5 -0.2 0.2\nx 0.5 0.5 0.2 0.2\n\n"
    )
    (root / "images" / "train" / "train1.png").write_bytes(b"text")
    listing = read_detection(root)
    words = {
        2: "duplicate", 3: "unknown class 9", 4: "not a finite", 5: "3 values", 6: "outside",
        7: "outside", 8: "degenerate", 9: "inverted", 10: "not a class id",
    }  # fmt: skip
    for line, word in words.items():
        assert any(f"{path}:{line}: " in text and word in text for text in messages(listing)), line
    assert any("train1.png" in text and "not an image" in text for text in messages(listing))
    assert len(messages(listing)) == listing.left_out == len(words) + 1
    with pytest.raises(DataError):
        refuse(listing.problems, skip_bad=False)
    refuse(listing.problems, skip_bad=True)
    # The remaining objects are usable.
    assert len(next(p for p in listing.samples if p.path.stem == "train0").objects) == 1


@pytest.mark.parametrize("line", ["0 60 40 20 10", "0 6 4 2 1", "0 10 10 30 10 30 20"])
def test_pixels_in_a_yolo_file_are_named_with_the_way_to_fractions(tmp_path, line):
    root = save_detection(tmp_path / "set", "yolo")
    path = root / "labels" / "train" / "train0.txt"
    path.write_text(f"{line}\n0 0.5 0.5 0.2 0.2\n")
    (text,) = (text for text in messages(read_detection(root)) if f"{path}:1: " in text)
    assert "coordinates are pixels; YOLO's are fractions" in text
    assert "divide x and width by the image's width" in text and "COCO or VOC" in text


def test_problems_of_voc_are_reported_by_line_and_entities_are_never_expanded(tmp_path):
    root = save_detection(tmp_path / "set", "voc")
    folder = root / "Annotations"
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        "<annotation><object><name>&b;</name></object></annotation>"
    )
    (folder / "train0.xml").write_text(bomb)
    (folder / "train1.xml").write_text("<annotation><object>")
    text = (
        "<annotation>\n<size><width>128</width><height>96</height></size>\n"
        "<object><name>circle</name><bndbox><xmin>50</xmin><ymin>10</ymin>"
        "<xmax>20</xmax><ymax>40</ymax></bndbox></object>\n"
        "<object><name>circle</name><bndbox><xmin>inf</xmin><ymin>10</ymin>"
        "<xmax>20</xmax><ymax>40</ymax></bndbox></object>\n<object></object>\n</annotation>"
    )
    (folder / "train2.xml").write_text(text)
    (root / "JPEGImages" / "train3.png").unlink()
    (folder / "train4.xml").unlink()
    listing = read_detection(root)
    errors = "\n".join(messages(listing))
    for word in (
        "train0.xml: is not usable XML (line 1 declares an entity", "train1.xml: is not usable XML",
        "train2.xml:3: box (50, 10, 20, 40) is inverted", "train2.xml:4: its bndbox",
        "train2.xml:5: an object without a name", "train3.xml: there is no image",
        "train.txt:5: names 'train4', which has no XML",
    ):  # fmt: skip
        assert word in errors, word


def test_problems_of_coco_are_reported_by_key(tmp_path):
    root = save_detection(tmp_path / "set", "coco")
    path = root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    good = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}
    content["annotations"] = [
        {**good, "id": 1},
        {**good, "id": 1, "bbox": [6, 6, 20, 20]},
        {**good, "id": 2, "category_id": 77},
        {**good, "id": 3, "bbox": [5, 5, math.nan, 20]},
        {**good, "id": 4, "bbox": "5 5 20 20"},
        {**good, "id": 5, "image_id": 999},
        {**good, "id": 6, "bbox": [8, 8, 20, 20], "segmentation": {"size": [9, 9], "counts": [1]}},
        "nonsense",
    ]
    content["images"][3]["id"] = content["images"][2]["id"]
    content["images"][4]["file_name"] = "gone.png"
    content["images"][5]["width"] = 64
    path.write_text(json.dumps(content))
    listing = read_detection(root)
    errors = "\n".join(messages(listing) + messages(listing, "fatal"))
    for word in (
        "annotations[1]: its id 1 occurs twice", "annotations[2]: unknown class",
        "annotations[3]: its bbox", "annotations[4]: its bbox '5 5 20 20'",
        "annotations[5]: refers to image 999", "annotations[6]: its segmentation",
        "annotations[7]: is not a JSON object", "images[2]: has the same id",
        "images[3]: has the same id", "images[4]: there is no file",
        "images[5]: its labels state 64 x 96",
    ):  # fmt: skip
        assert word in errors, word


def test_the_classes_of_a_checkpoint_have_priority(tmp_path):
    root = save_detection(tmp_path / "set", "yolo")
    listing = read_detection(root, class_names=["cross", "zebra"])
    assert listing.class_names == ("cross", "zebra")
    assert {o.label for p in listing.samples for o in p.objects} == {"cross"}
    assert any("unknown class 'circle'; known are cross, zebra" in t for t in messages(listing))


def test_an_image_in_two_splits_is_removed_from_training(tmp_path):
    root = save_detection(tmp_path / "set", "yolo", ("train", "val"))
    shutil.copy(root / "images/train/train0.png", root / "images/val/val0.png")
    listing = read_detection(root)
    assert any("too good" in text for text in messages(listing))
    assert "train0" not in {p.path.stem for p in listing.samples}
    assert "val0" in {p.path.stem for p in listing.samples}


def turn(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.open(path)
    image.load()
    image.save(path, exif=exif)


@pytest.mark.parametrize(
    ("declared", "orientation", "words"),
    [
        ((128, 96), 6, "its labels state the size as stored, 128 x 96"),
        ((96, 128), 6, ""),
        ((128, 96), 3, "nothing shows whether"),
        ((100, 100), 6, "its labels state 100 x 100"),
        ((96, 128), 1, "width and height swapped"),
    ],
)
def test_an_exif_orientation_that_makes_labels_ambiguous_is_fatal(
    tmp_path, declared, orientation, words
):
    root = save_detection(tmp_path / "set", "coco")
    path = root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    turn(root / "train" / "train1.png", orientation)
    content["images"][1] |= {"width": declared[0], "height": declared[1]}
    content["annotations"] = [
        {"id": 1, "image_id": 2, "category_id": 1, "bbox": [5, 5, 20, 20]},
    ]
    path.write_text(json.dumps(content))
    fatal = messages(read_detection(root), "fatal")
    assert bool(fatal) == bool(words)
    if not words:
        return
    assert words in fatal[0] and "images[1]" in fatal[0]
    if orientation != 1 and declared != (100, 100):
        assert "--data.exif apply or ignore" in fatal[0]
        for exif, size in (("apply", (128, 96)), ("ignore", (96, 128))):
            listing = read_detection(root, exif=exif)
            assert not listing.problems
            image = next(p for p in listing.samples if p.objects)
            expected = size if orientation == 6 else (96, 128)
            assert image.size == expected and image.upright == (exif == "apply")


def test_missing_and_ambiguous_labels_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VisusError, match="holds no detection labels"):
        read_detection(tmp_path / "empty")
    with pytest.raises(VisusError, match="no such folder"):
        read_detection(tmp_path / "none")
    with pytest.raises(VisusError, match=r"data.exif 'maybe' is unknown"):
        read_detection(save_detection(tmp_path / "good", "coco", count=1), exif="maybe")
    with pytest.raises(VisusError, match=r"data.format 'kitti' is unknown"):
        read_detection(tmp_path / "empty", "kitti")
    both = save_detection(save_detection(tmp_path / "both", "coco"), "voc")
    with pytest.raises(VisusError, match="coco and voc"):
        read_detection(both)
    assert read_detection(both, "voc").format == "voc"


def test_a_huge_class_id_of_yolo_does_not_exhaust_memory(workplace):
    root = save_detection(workplace / "boxes", "yolo", count=2)
    path = root / "data.yaml"
    path.write_text(path.read_text().replace("2: ", "2000000000000: "))
    listing = read_detection(root, "yolo")
    (fatal,) = [p for p in listing.problems if p.place == str(path)]
    assert "2000000000000" in fatal.message and fatal.severity == "fatal"
