"""COCO files as labelling tools and web services export them, beyond what the format asks for."""

import json
import shutil

import pytest

from tests.conftest import save_detection
from tests.datamodules.core.test_formats import edit_coco, listed
from tests.reliability.test_annotations_detection import save_boxes
from visus.datamodules.core.detection_files import found_formats
from visus.datamodules.registry import recognise


def boxes(listing):
    return [item.box for image in listing.samples for item in image.objects]


@pytest.fixture
def root(tmp_path):
    return save_boxes(tmp_path / "set", "coco")


@pytest.mark.parametrize("value", [None, [], "absent"])
def test_an_object_without_a_box_has_that_of_its_outline(root, value):
    expected = boxes(listed(root)[0])

    def change(content):
        for entry in content["annotations"][::2]:
            if value == "absent":
                del entry["bbox"]
            else:
                entry["bbox"] = value

    edit_coco(root, change)
    assert boxes(listed(root)[0]) == expected
    edit_coco(root, lambda c: c["annotations"][0].update(segmentation=[]))
    assert "annotations[0]: has neither a bbox nor a segmentation" in listed(root)[1]
    runs = {"size": [40, 60], "counts": [85, 10, 30, 10, 2265]}
    edit_coco(root, lambda c: c["annotations"][0].update(segmentation=runs))
    assert boxes(listed(root)[0])[0] == (2, 5, 4, 15)


@pytest.mark.parametrize(
    ("segmentation", "rings"),
    [
        ([[]], 0),
        ([5, 4, 25, 4, 25, 24], 1),
        ([[5, 4, 25, 4, 25, 24], [5, 4], [5, 4, 6, 4]], 1),
    ],
)
def test_outlines_that_only_look_different_are_read(root, segmentation, rings):
    edit_coco(root, lambda c: c["annotations"][0].update(segmentation=segmentation))
    listing, text = listed(root)
    assert "error" not in text
    assert len(listing.samples[0].objects[0].polygons) == rings


def test_a_category_above_others_is_no_class(root):
    def change(content):
        for entry in content["categories"]:
            entry["supercategory"] = "pets"
        # Roboflow's has the name of the project, which may be that of a class.
        content["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})

    edit_coco(root, change)
    assert listed(root)[0].class_names == ("cat", "dog")
    edit_coco(root, lambda c: c["categories"][0].update(name="cat"))
    edit_coco(root, lambda c: c["categories"][1].update(supercategory="cat"))
    edit_coco(root, lambda c: c["categories"][2].update(supercategory="cat"))
    listing, text = listed(root)
    assert listing.class_names == ("cat", "dog") and "occurs twice" not in text
    # One with objects is a class.
    edit_coco(root, lambda c: c["annotations"][0].update(category_id=0))
    assert "occurs twice" in listed(root)[1]


@pytest.mark.parametrize(
    "name",
    [
        "..\\..\\label-studio\\media\\upload\\4\\{}",
        "/data/local-files/?d=labelled/images/{}",
        "https://host.example/files/{}?width=3",
    ],
)
def test_the_folders_of_another_machine_do_not_matter(root, name):
    expected = boxes(listed(root)[0])

    def change(content):
        for entry in content["images"]:
            entry["file_name"] = name.format(entry["file_name"])

    edit_coco(root, change)
    listing, text = listed(root)
    assert boxes(listing) == expected and "error" not in text


def test_an_image_of_another_split_is_not_taken(tmp_path):
    root = save_detection(tmp_path / "set", "coco", ("train", "val"), 2)
    (root / "train" / "train0.png").rename(root / "val" / "train0.png")
    listing, text = listed(root)
    assert "there is no file 'train0.png' in its split, only " in text
    assert len(listing.samples) == 3


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("{}/annotations.json", "{}/images"),
        ("{}/annotations/instances_default.json", "{}/images"),
        ("{}_annotations.json", "{}"),
        ("annotations/{}.json", "images/{}"),
    ],
)
def test_layouts_of_splits(tmp_path, annotations, images):
    source = save_detection(tmp_path / "source", "coco", ("train", "val"), 2)
    root = tmp_path / "set"
    for split in ("train", "val"):
        file = root / annotations.format(split)
        file.parent.mkdir(parents=True, exist_ok=True)
        content = json.loads((source / f"annotations/instances_{split}.json").read_text())
        folder = root / images.format(split)
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(content["images"]):
            # Each split counts from 0.
            shutil.copy(source / split / entry["file_name"], folder / f"{number}.png")
            entry["file_name"] = f"{number}.png"
        file.write_text(json.dumps(content))
    listing, text = listed(root)
    assert "error" not in text and "fatal" not in text
    assert sorted(image.split for image in listing.samples) == ["train", "train", "val", "val"]


def test_crowds_that_are_single_objects_are_noticed(root):
    assert "crowds" not in listed(root)[1]
    edit_coco(root, lambda c: c["annotations"][5].update(iscrowd=1))
    assert "2 of 3 objects of 'dog' are crowds (iscrowd 1)" in listed(root)[1]
    edit_coco(root, lambda c: [entry.update(iscrowd=1) for entry in c["annotations"]])
    assert f"fatal: {root}: all objects (6) are crowds" in listed(root)[1]


def test_a_format_can_be_chosen_where_there_are_several(visus, root):
    (root / "labels").mkdir()
    (root / "images").mkdir()
    for number in range(3):
        (root / "labels" / f"p{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    assert found_formats(root) == ["coco", "yolo"]
    assert recognise(root)[1] == "COCO labels and YOLO labels"
    code, _, err = visus("data", "check", root)
    assert code == 2 and "holds coco and yolo labels; choose one with --data.format" in err
    assert visus("data", "check", root, "--format", "coco")[0] == 0
