"""The samples in each layout: recognised, free of problems, and the same data."""

import pytest

from visus.datamodules.registry import data_spec, data_specs, recognise
from visus.vision.faces.pairs import read_pairs

LAYOUTS = [(spec.task, name) for spec in data_specs().values() for name in spec.sample_layouts()]
RECOGNISED = {
    "action_csv": ("action", "a CSV of clips"),
    "action_several_labels": ("action", "a CSV of clips"),
    "action_splits": ("action", "class folders of videos"),
    "captioning_clips": ("captioning", "captions"),
    "captioning_coco": ("captioning", "captions"),
    "captioning_flickr8k": ("captioning", "captions"),
    "classification_splits": ("classification", "class folders"),
    "classification_csv": ("classification", "a CSV of labels"),
    "classification_several_labels": ("classification", "a CSV of labels"),
    "detection_voc": ("detection", "Pascal VOC labels"),
    "detection_yolo": ("detection", "YOLO labels"),
    # Folders of people look like those of classes, and outlines like boxes.
    "face_recognition_pairs": ("classification", "class folders"),
    "segmentation_coco": ("detection", "COCO labels"),
    "segmentation_colours": ("segmentation", "images with masks"),
    "segmentation_palette": ("segmentation", "images with masks"),
}


@pytest.mark.parametrize(("task", "name"), LAYOUTS)
def test_every_layout_is_recognised_and_has_no_problems(task, name, tmp_path):
    spec = data_spec(task)
    spec.sample_layouts()[name](tmp_path)
    found, layout = recognise(tmp_path)
    assert (found.task, layout) == RECOGNISED[f"{task}_{name}"]
    values = {option.name: option.default for option in spec.options}
    report = spec.check(tmp_path, values)
    assert not report.problems
    if name == "pairs":
        pairs = read_pairs(tmp_path / "pairs.txt", tmp_path)
        assert [pair.same for pair in pairs] == ([True] * 6 + [False] * 6) * 2


def test_layouts_of_one_task_hold_the_same_masks(tmp_path):
    from visus.datamodules.segmentation.files import read_segmentation

    spec = data_spec("segmentation")
    spec.write_sample(tmp_path / "ids")
    counts = []
    for name, write in {"ids": spec.write_sample, **spec.sample_layouts()}.items():
        write(tmp_path / name)
        listing = read_segmentation(tmp_path / name)
        counts.append({image.path.stem: image.counts for image in listing.samples})
    assert len(counts) == 4 and all(each == counts[0] for each in counts)
