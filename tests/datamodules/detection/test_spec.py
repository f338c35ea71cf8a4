import json
import subprocess
import sys

import pytest

from tests.conftest import save_captions, save_detection, save_masked
from visus.datamodules.core.formats import yolo
from visus.datamodules.core.labels import Labels
from visus.datamodules.core.problems import DataError
from visus.datamodules.detection.data import ImageDetectionData
from visus.datamodules.detection.spec import DetectionDataSpec

VALUES = {"format": None, "exif": "auto", "allow_outside": False, "in_channels": 3}


class OwnFormatData(ImageDetectionData):
    """A user's data module that reads YOLO labels from another folder."""

    def read_labels(self) -> Labels:
        return yolo.read(self.root / "inner")


@pytest.mark.parametrize(
    ("format", "title"),
    [("coco", "COCO labels"), ("voc", "Pascal VOC labels"), ("yolo", "YOLO labels")],
)
def test_the_formats_are_recognised(tmp_path, format, title):
    root = save_detection(tmp_path / "set", format, count=2)
    assert DetectionDataSpec().recognise(root) == title


def test_data_of_other_tasks_are_not_recognised(tmp_path, photos):
    spec = DetectionDataSpec()
    captions = save_captions(tmp_path / "captions", 2)
    # COCO's form of captions, under any name.
    (tmp_path / "coco").mkdir()
    content = {"images": [], "annotations": [{"image_id": 1, "caption": "a cat"}]}
    (tmp_path / "coco" / "train.json").write_text(json.dumps(content))
    for path in (captions, captions / "captions.json", tmp_path / "coco", photos):
        assert spec.recognise(path) == ""
    assert spec.recognise(save_masked(tmp_path / "masks", "folders")) == ""


def test_the_sample_is_a_data_set_without_problems(tmp_path):
    spec = DetectionDataSpec()
    spec.write_sample(tmp_path / spec.sample_folder)
    report = spec.check(tmp_path / spec.sample_folder, VALUES)
    assert not report.problems
    assert any("8 readable images, 128 to 128 px wide" in str(line) for line in report.lines)
    data = ImageDetectionData(str(tmp_path / spec.sample_folder), num_workers=0)
    assert {name: len(images) for name, images in data.splits.items()} == {
        "train": 4, "val": 4, "test": 4
    }  # fmt: skip
    assert all(any(image.objects for image in data.splits[split]) for split in ("train", "val"))


def test_a_users_own_data_module_inherits_the_checks(tmp_path):
    root = save_detection(tmp_path / "outer" / "inner", "yolo", count=4)
    (root / "images" / "train" / "train1.png").write_bytes(b"text")
    spec = DetectionDataSpec()
    report = spec.check_module(OwnFormatData(str(tmp_path / "outer")))
    assert [p.severity for p in report.problems] == ["error"]
    data = OwnFormatData(str(tmp_path / "outer"), skip_bad=True, num_workers=0)
    assert len(data.listing.samples) == 3 and data.skipped == 1


def test_a_conversion_reports_what_was_left_out(tmp_path):
    root = save_detection(tmp_path / "set", "coco", count=4)
    (root / "train" / "train1.png").write_bytes(b"text")
    report = DetectionDataSpec().convert(root, VALUES, "voc", tmp_path / "voc")
    assert "3 images" in str(report.lines[0]) and "1 bad ones were left out" in str(report.lines[0])
    assert {p.severity for p in report.problems} == {"error", "warning"}


def test_a_conversion_does_not_hide_what_prevents_training(tmp_path):
    root = save_detection(tmp_path / "set", "coco", count=4)
    path = root / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    image = content["images"][0]
    image["height"], image["width"] = image["width"], image["height"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="width and height swapped"):
        DetectionDataSpec().convert(root, VALUES, "voc", tmp_path / "voc")
    assert not (tmp_path / "voc").exists()


def test_converted_images_do_not_differ_by_case_alone(tmp_path):
    root = save_detection(tmp_path / "set", "coco", splits=("train", "val"), count=2)
    for path in (root / "annotations").iterdir():
        path.write_text(path.read_text().replace("val1.png", "TRAIN1.png"))
    (root / "val" / "val1.png").rename(root / "val" / "TRAIN1.png")
    DetectionDataSpec().convert(root, VALUES, "yolo", tmp_path / "yolo")
    names = [path.name.casefold() for path in (tmp_path / "yolo").rglob("*.png")]
    assert len(names) == 4 and len(set(names)) == 4


def test_an_interrupted_conversion_leaves_nothing(tmp_path, monkeypatch):
    root = save_detection(tmp_path / "set", "coco", count=4)

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("visus.datamodules.detection.convert.copy_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        DetectionDataSpec().convert(root, VALUES, "voc", tmp_path / "voc")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_outer_paths_and_links_are_answered_on_the_command_line(visus, workplace):
    root = save_detection(workplace / "set", "coco", count=4)
    (root / "train" / "train1.png").rename(workplace / "outside.png")
    path = root / "annotations" / "instances_train.json"
    path.write_text(path.read_text().replace("train1.png", "../../outside.png"))
    (root / "train").rename(workplace / "linked")
    (root / "train").symlink_to(workplace / "linked", target_is_directory=True)
    code, out, _ = visus("data", "check", root)
    assert code == 2 and "images[1]: names '../../outside.png', which lies outside of" in out
    assert "links to folders that were followed: 1" in out
    code, out, _ = visus("data", "check", root, "--allow-outside")
    assert code == 0 and "no problems" in out
    convert = ("data", "convert", root, "--to", "yolo", "--output")
    code, out, _ = visus(*convert, "some")
    assert code == 2 and "3 images" in out
    code, out, _ = visus(*convert, "all", "--allow-outside")
    assert code == 0 and "4 images" in out
    assert (
        len(ImageDetectionData(str(root), allow_outside=True, num_workers=0).listing.samples) == 4
    )


def test_the_specification_needs_no_torch():
    code = (
        "import sys; import visus.datamodules.detection.spec, visus.tasks.detection.spec; "
        "assert not {'torch', 'numpy', 'cv2'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
