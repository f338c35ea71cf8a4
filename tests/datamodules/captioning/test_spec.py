import json
import shutil

from tests.conftest import save_captions
from visus.datamodules.captioning.data import ImageCaptioningData
from visus.datamodules.captioning.files import CaptionedImage, CaptionLabels
from visus.datamodules.captioning.spec import CaptioningDataSpec
from visus.datamodules.registry import recognise


def rows(report):
    (table,) = report.lines
    return list(zip(*(list(column.cells) for column in table.columns), strict=True))


def test_the_check_counts_images_captions_and_words_of_each_split(tmp_path):
    root = save_captions(tmp_path, 6)
    content = json.loads((root / "captions.json").read_text())
    for i, entry in enumerate(content):
        entry["split"] = "train" if i < 4 else "val"
    (root / "captions.json").write_text(json.dumps(content))
    report = CaptioningDataSpec().check(root, {"allow_outside": False})
    assert [column.header for column in report.lines[0].columns] == ["", "train", "val"]
    table = rows(report)
    assert table[:2] == [("images", "4", "2"), ("captions", "8", "4")]
    assert not report.problems


def test_the_sample_is_recognised_and_trains(tmp_path, visus):
    spec = CaptioningDataSpec()
    root = tmp_path / spec.sample_folder
    spec.write_sample(root)
    found, _ = recognise(root)
    assert found.task == "captioning"
    report = spec.check(root, {"allow_outside": False})
    assert rows(report)[:2] == [("images", "8"), ("captions", "16")] and not report.problems
    code, _, err = visus(
        "fit", "--data", root, "--data.min_count", "1", "--data.num_workers", "0",
        "--data.image_size", "[64,64]", "--model.backbone", "test_resnet",
        "--model.pretrained", "false", "--trainer.max_epochs", "1", "--model.freeze_epochs", "0",
    )  # fmt: skip
    assert code == 0, err


def test_a_csv_or_json_without_captions_is_not_recognised(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\na.png,cat\n")
    (tmp_path / "boxes.json").write_text('{"images": [], "annotations": []}')
    spec = CaptioningDataSpec()
    assert not any(spec.recognise(path) for path in [tmp_path, *tmp_path.iterdir()])
    save_captions(tmp_path / "set", 1)
    assert spec.recognise(tmp_path / "set") and spec.recognise(tmp_path / "set" / "captions.json")


class TextFileData(ImageCaptioningData):
    """Reads a format of its own: one caption a text file."""

    def read_labels(self):
        images = [
            CaptionedImage(path.with_suffix(".png"), (path.read_text(),), "", str(path))
            for path in sorted(self.root.glob("*.txt"))
        ]
        return CaptionLabels(images, (), len(images))


def test_a_data_module_of_another_format_inherits_the_checks(tmp_path):
    root = save_captions(tmp_path, 3)
    for i in range(3):
        (root / f"p{i}.txt").write_text(f"Scene {i}.")
    shutil.copy(root / "p0.png", root / "copy.png")
    (root / "copy.txt").write_text("A copy.")
    (root / "p2.png").write_bytes(b"no image")
    data = TextFileData(str(root), skip_bad=True, num_workers=0)
    report = CaptioningDataSpec().check_module(data)
    messages = "\n".join(map(str, report.problems))
    assert "the same image as" in messages and "p2.png" in messages
    assert len(data.listing.samples) == 3 and data.skipped == 1
