import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import save_scene
from visus.datamodules.classification.checks import read_listing
from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.problems import DataError, refuse
from visus.vision.errors import VisusError


def problems_of(root, **arguments):
    return {
        (p.place.removeprefix(str(root)).lstrip("/"), p.severity): p.message
        for p in read_listing(root, **arguments).problems
    }


@pytest.fixture
def bad_photos(photos):
    """Good images of two classes among every kind of bad one."""
    good = (photos / "circle" / "0.png").read_bytes()
    (photos / "circle" / "truncated.jpg").write_bytes(good[:200])
    (photos / "circle" / "empty.jpg").touch()
    (photos / "circle" / "text.jpg").write_text("no image at all")
    bomb = io.BytesIO()
    Image.new("1", (30000, 30000)).save(bomb, "PNG")
    (photos / "circle" / "bomb.png").write_bytes(bomb.getvalue())
    frames = [Image.new("L", (9, 9), shade) for shade in (0, 255)]
    frames[0].save(photos / "circle" / "moves.gif", save_all=True, append_images=frames[1:])
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3)).astype(np.uint8)
    Image.fromarray(noise).convert("CMYK").save(photos / "cross" / "print.jpg")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(photos / "cross" / "deep.png")
    (photos / "cross" / "twin.png").write_bytes(good)
    (photos / "diamond").mkdir()
    return photos


def test_one_report_lists_every_problem(bad_photos):
    found = problems_of(bad_photos)
    for name, severity, words in (
        ("circle/truncated.jpg", "error", "truncated"),
        ("circle/empty.jpg", "error", "empty"),
        ("circle/text.jpg", "error", "not an image"),
        ("circle/bomb.png", "error", "limit"),
        ("circle/moves.gif", "error", "animation"),
        ("cross/print.jpg", "warning", "CMYK"),
        ("cross/deep.png", "warning", "16-bit"),
        ("cross/twin.png", "error", "under another label"),
        ("diamond", "error", "empty class"),
    ):
        assert words in found[name, severity]
    assert len(found) == 9


def test_bad_images_are_refused_or_left_out(bad_photos):
    listing = read_listing(bad_photos)
    with pytest.raises(DataError, match="skip_bad"):
        refuse(listing.problems, skip_bad=False)
    refuse(listing.problems, skip_bad=True)
    names = {sample.path.name for sample in listing.samples}
    # Of duplicates with contradicting labels none is used.
    assert "twin.png" not in names and "truncated.jpg" not in names
    assert len(listing.samples) == 9 + 10 + 2
    assert listing.class_names == ("circle", "cross")


def test_one_class_is_fatal(workplace):
    save_scene(workplace / "one" / "circle" / "a.png", 0)
    listing = read_listing(workplace / "one")
    with pytest.raises(DataError, match="at least two"):
        refuse(listing.problems, skip_bad=True)


def test_duplicates_of_one_class_are_warnings(photos):
    (photos / "circle" / "copy.png").write_bytes((photos / "circle" / "1.png").read_bytes())
    assert list(problems_of(photos)) == [("circle/copy.png", "warning")]


def test_stated_splits_and_a_leak_between_them(photos):
    for split in ("train", "val"):
        for label in ("circle", "cross"):
            for i in range(5) if split == "train" else range(5, 8):
                target = photos.parent / "split" / split / label / f"{i}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((photos / label / f"{i}.png").read_bytes())
    root = photos.parent / "split"
    assert {s.split for s in read_listing(root).samples} == {"train", "val"}
    leak = root / "train" / "circle" / "leak.png"
    leak.write_bytes((photos / "circle" / "5.png").read_bytes())
    listing = read_listing(root)
    assert "too good" in listing.problems[0].message
    assert leak not in {s.path for s in listing.samples}


def test_a_class_may_be_called_test(workplace):
    for label in ("test", "train"):
        save_scene(workplace / "rails" / label / "a.png", len(label))
        save_scene(workplace / "rails" / label / "b.png", 9 + len(label))
    assert read_listing(workplace / "rails").class_names == ("test", "train")


def test_csv_with_every_mistake(photos):
    rows = [
        "path,label,split",
        "circle/0.png,circle,train",
        "circle/1.png,circle,",
        "cross/0.png,cross,val",
        "nowhere.png,circle,train",
        "cross/1.png,,train",
        "cross/2.png,cross,dev",
        '"cross/3.png","cross",test',
    ]
    path = photos / "labels.csv"
    path.write_text("\n".join(rows))
    listing = read_listing(path)
    assert [(s.path.name, s.split) for s in listing.samples] == [
        ("0.png", "train"),
        ("1.png", ""),
        ("0.png", "val"),
        ("3.png", "test"),
    ]
    messages = {p.place: p.message for p in listing.problems}
    assert "nowhere.png" in messages[f"{path}:5"]
    assert "no label" in messages[f"{path}:6"]
    assert "dev" in messages[f"{path}:7"]
    assert not listing.multi_label


def test_a_group_stays_on_one_side_or_is_reported(photos):
    path = photos / "labels.csv"
    files = [f"{label}/{i}.png,{label}" for label in ("circle", "cross") for i in range(5)]
    rows = [f"{file},p{i % 5}" for i, file in enumerate(files)]
    path.write_text("\n".join(["path,label,group", *rows]))
    for fold in range(5):
        module = ImageClassificationData(str(path), num_workers=0, fold=fold)
        assert len({sample.group for sample in module.splits["val"]}) == 1
        assert len(module.splits["val"]) == 2
    rows = [f"{row},{'val' if i > 7 else 'train'}" for i, row in enumerate(rows)]
    path.write_text("\n".join(["path,label,group,split", *rows]))
    listing = read_listing(path)
    errors = [problem for problem in listing.problems if problem.severity == "error"]
    assert [problem.place for problem in errors] == [f"{path}:5", f"{path}:6"]
    assert "its group 'p3' is in train and val" in errors[0].message
    training = {sample.group for sample in listing.samples if sample.split == "train"}
    assert training == {"p0", "p1", "p2"}


def test_csv_with_several_labels(photos):
    path = photos / "many.csv"
    path.write_text("path,label\ncircle/0.png,circle|red\ncross/0.png,cross\n")
    listing = read_listing(path)
    assert listing.multi_label and listing.class_names == ("circle", "cross", "red")


def test_csv_without_its_columns(workplace):
    (workplace / "a.csv").write_text("file,class\n")
    with pytest.raises(VisusError, match="label and path"):
        read_listing(workplace / "a.csv")


def test_the_classes_of_a_checkpoint_are_used(photos):
    found = problems_of(photos, class_names=["circle"])
    assert len(found) == 10
    assert all("unknown label 'cross'" in message for message in found.values())
    listing = read_listing(photos, ["circle", "cross", "never seen"])
    assert listing.class_names == ("circle", "cross", "never seen") and not listing.problems


def test_classes_that_cannot_be_learnt_or_validated_are_reported(photos):
    save_scene(photos / "lonely" / "a.png", 70)
    save_scene(photos / "Circle" / "a.png", 71)
    (photos / "Circle" / "b.png").write_bytes((photos / "Circle" / "a.png").read_bytes())
    messages = [str(p) for p in read_listing(photos).problems]
    assert all(message.startswith("warning: ") for message in messages)
    for name in ("lonely", "Circle"):
        words = f"class {name!r} has one image, which cannot be both trained on and validated on"
        assert any(words in message for message in messages)
    assert any("classes 'Circle' and 'circle' differ in case only" in m for m in messages)
    # With stated splits one image for training is enough, none is not.
    for split, labels in (("train", ("circle", "lonely")), ("val", ("circle", "lonely", "cross"))):
        for i, label in enumerate(labels):
            save_scene(photos.parent / "split" / split / label / "a.png", 80 + 10 * i + len(split))
    (message,) = [str(p) for p in read_listing(photos.parent / "split").problems]
    assert "class 'cross' has no image for training" in message


def test_samples_without_a_split_among_others_are_reported(photos):
    rows = ["path,label,split", "circle/0.png,circle,train", "circle/1.png,circle,"]
    (photos / "labels.csv").write_text("\n".join([*rows, "cross/1.png,cross,train"]))
    report = "\n".join(map(str, read_listing(photos).problems))
    assert "labels.csv:3: states no split, as 1 of 3 do" in report


def test_an_unread_column_and_a_label_that_is_too_long_are_reported(photos):
    rows = ["path,label,spilt", "circle/0.png,circle,train", f"cross/0.png,{'x' * 300},val"]
    (photos / "labels.csv").write_text("\n".join(rows))
    report = "\n".join(map(str, read_listing(photos).problems))
    assert "labels.csv:1: its column 'spilt' is not read" in report
    assert "labels.csv:3: its label" in report and "has 300 characters" in report
    assert max(map(len, report.splitlines())) < 500


def test_folders_of_masks_are_no_classes(tmp_path):
    for folder, mode in (("JPEGImages", "RGB"), ("SegmentationClass", "P")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.new(mode, (30, 20), number).save(tmp_path / folder / f"{number}.png")
    found = problems_of(tmp_path)
    assert found["SegmentationClass", "fatal"].startswith("holds masks of the images in JPEGImages")
    (tmp_path / "masks").mkdir()
    problems_of(tmp_path)
    # A class of that name has images of its own.
    for number in range(3):
        (tmp_path / "SegmentationClass" / f"{number}.png").rename(
            tmp_path / "SegmentationClass" / f"own{number}.png"
        )
    assert ("SegmentationClass", "fatal") not in problems_of(tmp_path)


def test_splits_by_other_names_are_no_classes(photos):
    for split in ("seg_train", "seg_test"):
        (photos / split).mkdir()
    for name in ("circle", "cross"):
        (photos / name).rename(photos / "seg_train" / name)
        (photos / "seg_test" / name).mkdir()
    found = problems_of(photos)
    assert "rename seg_test and seg_train to test and train" in found["seg_test", "fatal"]
    for split in ("train", "test"):
        (photos / f"seg_{split}").rename(photos / f"{split.title()}ing")
    assert not any(severity == "fatal" for _, severity in problems_of(photos))


def test_splits_without_folders_of_classes_are_no_classes(photos):
    for name, split in (("circle", "train_images"), ("cross", "test_images")):
        (photos / name).rename(photos / split)
    found = problems_of(photos)
    assert "list the images of both with their labels in a CSV" in found["test_images", "fatal"]


def test_names_in_a_csv_may_lack_folders_and_endings(photos):
    rows = ["path,label"]
    for name in ("circle", "cross"):
        for path in sorted((photos / name).iterdir()):
            path.rename(path.with_name(f"{name}{path.stem}.5.png"))
            rows.append(f"{name}{path.stem}.5,{name}")
    (photos / "labels.csv").write_text("\n".join(rows))
    listing = read_listing(photos)
    assert len(listing.samples) == 20 and not listing.problems
    (photos / "circle" / "circle0.5.jpg").write_bytes((photos / "cross/cross1.5.png").read_bytes())
    assert any("which may be" in message for message in problems_of(photos).values())


def test_a_csv_with_other_columns_is_named(photos, visus):
    for name in ("circle", "cross"):
        (photos / name).rename(photos / {"circle": "train", "cross": "test"}[name])
    (photos / "train.csv").write_text("id,breed\n0,pug\n")
    code, _, err = visus("fit", "--data", photos)
    assert code == 2 and "the columns of train.csv are breed,id" in err
