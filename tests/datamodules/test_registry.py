from pathlib import Path

import pytest

from tests.conftest import save_captions, save_detection, save_masked, save_scene
from visus.datamodules.registry import data_spec, data_specs, migrate_data, recognise
from visus.vision.errors import VisusError


def recognised(path):
    spec, layout = recognise(path)
    return spec.task, layout


def refusal(path):
    with pytest.raises(VisusError) as caught:
        recognise(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_folders(photos):
    assert recognised(photos) == ("classification", "class folders")


def test_splits_of_class_folders(photos):
    for split in ("train", "val"):
        target = photos.parent / "split" / split
        target.mkdir(parents=True)
        for label in ("circle", "cross"):
            (target / label).symlink_to(photos / label, target_is_directory=True)
            save_scene(target / f"{label}s" / "a.png", len(split))
    assert recognised(photos.parent / "split") == ("classification", "class folders")


def test_a_csv_of_labels_and_a_folder_with_one(photos):
    csv = photos / "labels.csv"
    csv.write_text("split,label,path\ntrain,circle,circle/0.png\n")
    assert recognised(csv) == ("classification", "a CSV of labels")
    flat = photos.parent / "flat"
    save_scene(flat / "a.png", 0)
    (flat / "labels.csv").write_text("path,label\na.png,circle\n")
    assert recognised(flat) == ("classification", "a CSV of labels")


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_labels_of_boxes(workplace, format):
    task, layout = recognised(save_detection(workplace / "boxes", format, ("train", "val")))
    assert task == "detection"
    assert {"coco": "COCO", "voc": "Pascal VOC", "yolo": "YOLO"}[format] in layout


@pytest.mark.parametrize("layout", ["folders", "splits", "inner", "annot", "csv"])
def test_images_with_masks(workplace, layout):
    assert recognised(save_masked(workplace / "masks", layout))[0] == "segmentation"


def test_captions(workplace):
    assert recognised(save_captions(workplace / "captioned", 4))[0] == "captioning"


@pytest.mark.parametrize(
    "task", [spec.task for spec in data_specs().values() if spec.sample_folder]
)
def test_written_samples_are_recognised_as_their_own_task_or_checked_as_it(workplace, task):
    spec = data_spec(task)
    spec.write_sample(workplace / spec.sample_folder)
    found, _ = recognised(workplace / spec.sample_folder)
    # Folders of people are no different from class folders.
    assert found == ("classification" if task == "face_recognition" else task)


def test_masks_beside_boxes_need_a_choice(workplace):
    save_masked(workplace / "both", "inner")
    save_detection(workplace / "both", "yolo", ("train", "val"))
    message = refusal(workplace / "both")
    assert "YOLO labels and images with masks" in message
    assert "--task detection or segmentation" in message
    assert "--config detection/custom or segmentation/custom" in message


def test_empty_folders_and_folders_of_unlabelled_images_are_no_class_folders(workplace):
    (workplace / "empty").mkdir()
    message = refusal(workplace / "empty")
    assert "holds no images" in message and "empty/cat/1.jpg" in message
    (workplace / "hollow" / "cat").mkdir(parents=True)
    (workplace / "hollow" / "dog").mkdir()
    assert "holds no images" in refusal(workplace / "hollow")
    save_scene(workplace / "flat" / "a.png", 0)
    message = refusal(workplace / "flat")
    assert "images without labels" in message and "flat/dog/2.jpg" in message
    for split in ("train", "val"):
        save_scene(workplace / "halves" / split / "a.png", len(split))
    assert "images without labels" in refusal(workplace / "halves")


def test_files_that_are_no_data_sets_are_refused(workplace):
    (workplace / "notes.txt").write_text("path,label")
    assert "a CSV with the columns path,label" in refusal(workplace / "notes.txt")
    (workplace / "other.csv").write_text("name,age\nAda,36\n")
    assert "columns are age,name; they must include path,label" in refusal(workplace / "other.csv")
    (workplace / "odd.csv").write_bytes(b"\xff\xfe\x00path,label")
    assert "not readable" in refusal(workplace / "odd.csv")
    assert "no such folder or file" in refusal(workplace / "nowhere")


def test_the_current_folder_is_named(workplace, monkeypatch):
    (workplace / "photos").mkdir()
    monkeypatch.chdir(workplace / "photos")
    assert "photos/cat/1.jpg" in refusal(Path("."))


def test_a_task_without_data_is_named():
    with pytest.raises(
        VisusError, match=r"task 'juggling' is unknown or has no data.*classification"
    ):
        data_spec("juggling")


def test_every_data_module_of_format_1_is_found_again():
    from pydoc import locate

    from visus.datamodules.registry import _CLASSES_1

    known = {each for spec in data_specs().values() for each in spec.data_modules()}
    for name in _CLASSES_1:
        stored = {"class_path": f"datamodules.{name}", "init_args": {"fit_mode": "crop", "a": 1}}
        migrated = migrate_data(stored, 1)
        assert locate(migrated["class_path"]) in known
        assert migrated["init_args"] == {"resize_mode": "crop", "a": 1}
    own = {"class_path": "my_data.Birds", "init_args": None}
    assert migrate_data(own, 1) == {"class_path": "my_data.Birds", "init_args": {}}
    assert migrate_data(own, 2) is own
