"""The rules of finding files that classes, captions, masks and people share."""

import json
import os
import shutil

import pytest

from tests.conftest import save_captions, save_masked, save_people, save_scene
from visus.vision.errors import VisusError


def save_classes_csv(root):
    for i in range(8):
        save_scene(root / "images" / f"p{i}.png", i)
    rows = [f"images/p{i}.png,{'cat' if i % 2 else 'dog'}" for i in range(8)]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
    return root


def save_class_folders(root):
    for i in range(8):
        save_scene(root / ("cat" if i % 2 else "dog") / f"p{i}.png", i)
    return root


def save_caption_folder(root):
    return save_captions(root, 6)


def save_masks_csv(root):
    return save_masked(root, "csv")


def save_mask_folders(root):
    return save_masked(root, "folders")


def save_faces(root):
    return save_people(root, 4, 2)


LAYOUTS = {
    save_classes_csv: "classification",
    save_class_folders: "classification",
    save_caption_folder: "captioning",
    save_masks_csv: "segmentation",
    save_mask_folders: "segmentation",
    save_faces: "face_recognition",
}


def check(visus, root, save, *options):
    task = LAYOUTS[save]
    aligned = ["--aligned"] if task == "face_recognition" else []
    code, out, err = visus("data", "check", root, "--task", task, *aligned, *options)
    return code, " ".join((out + err).split())


@pytest.mark.parametrize("save", LAYOUTS)
def test_files_that_are_not_read_are_reported(visus, workplace, save):
    root = save(workplace / "set")
    code, out = check(visus, root, save)
    assert code == 0 and "not read" not in out and "not used" not in out
    save_scene(root / "loose.png", 99)
    (root / "scores.xls").touch()
    (root / "README.md").touch()
    code, out = check(visus, root, save)
    assert code == 0, out
    assert "holds 1 image that is not used (1 .png), the first is" in out
    assert "holds 1 file that is not read (1 .xls)" in out and "no problems" not in out


@pytest.mark.parametrize("save", LAYOUTS)
def test_links_to_folders_are_followed_and_counted(visus, workplace, save):
    root = save(workplace / "set")
    before = check(visus, root, save)[1]
    folder = next((p for p in sorted(root.iterdir()) if p.is_dir()), None)
    if folder is None:
        folder = root / "images"
        folder.mkdir()
        for path in root.glob("*.png"):
            path.rename(folder / path.name)
    shutil.move(folder, workplace / "elsewhere")
    folder.symlink_to(workplace / "elsewhere")
    # A link that leads back to its own folder ends nowhere.
    (workplace / "elsewhere" / "again").symlink_to(workplace / "elsewhere")
    code, out = check(visus, root, save)
    assert code == 0, out
    assert "links to folders that were followed: 1" in out
    assert out.replace("links to folders that were followed: 1 ", "") == before


OUTSIDE = {
    save_classes_csv: ("labels.csv", "images/p0.png"),
    save_masks_csv: ("masks.csv", "a/p0.png"),
    save_caption_folder: ("captions.json", "p0.png"),
}


@pytest.mark.parametrize("save", OUTSIDE)
@pytest.mark.parametrize("absolute", [False, True])
def test_files_outside_of_the_data_set_are_read_if_allowed(visus, workplace, save, absolute):
    root = save(workplace / "set")
    name, image = OUTSIDE[save]
    text = (root / name).read_text()
    # A path that leaves the folder and returns is inside.
    inside = str(root / image) if absolute else f"../set/{image}"
    (root / name).write_text(text.replace(image, inside))
    assert check(visus, root, save)[0] == 0
    shutil.move(root / image, workplace / "private.png")
    outside = str(workplace / "private.png") if absolute else "../private.png"
    (root / name).write_text(text.replace(image, outside))
    code, out = check(visus, root, save)
    assert code == 2 and "which lies outside of" in out
    assert "--data.allow_outside true" in out
    code, out = check(visus, root, save, "--allow-outside")
    assert code == 0, out


def test_the_data_modules_take_allow_outside(workplace):
    from visus.datamodules.captioning.data import ImageCaptioningData
    from visus.datamodules.classification.data import ImageClassificationData
    from visus.datamodules.segmentation.data import ImageSegmentationData

    kinds = (ImageClassificationData, ImageSegmentationData, ImageCaptioningData)
    for (save, (name, image)), kind in zip(OUTSIDE.items(), kinds, strict=True):
        root = save(workplace / save.__name__)
        shutil.move(root / image, workplace / f"{save.__name__}.png")
        text = (root / name).read_text().replace(image, f"../{save.__name__}.png")
        (root / name).write_text(text)
        with pytest.raises(VisusError, match="allow_outside true"):
            print(kind(str(root), num_workers=0).listing)
        assert kind(str(root), num_workers=0, allow_outside=True).listing


@pytest.mark.parametrize("save", [save_class_folders, save_faces])
def test_folders_beside_splits_are_reported_and_hidden_ones_ignored(visus, workplace, save):
    root = workplace / "set"
    save(root / "train")
    for i, folder in enumerate(sorted((root / "train").iterdir())):
        # One person must not be in two splits.
        name = folder.name if save is save_class_folders else f"other{i}"
        save_scene(root / "Valid" / name / "v.png", 50 + i)
    save_scene(root / "old" / "cat" / "o.png", 90)
    save_scene(root / ".cache" / "cat" / "o.png", 91)
    code, out = check(visus, root, save)
    assert code == 0, out
    assert "old: is not one of the split folders beside it and is not read" in out
    assert ".cache" not in out and "train" in out and "val" in out


@pytest.mark.parametrize("save", [save_class_folders, save_faces])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_an_error(visus, workplace, save):
    root = save(workplace / "set")
    (folder := next(root.iterdir())).chmod(0)
    try:
        code, out = check(visus, root, save)
    finally:
        folder.chmod(0o755)
    assert code == 2 and "may not be listed" in out


def test_an_image_that_may_be_one_of_two_is_an_error(visus, workplace):
    root = save_caption_folder(workplace / "set")
    for folder in ("a", "b"):
        save_scene(root / folder / "twin.png", ord(folder))
    content = json.loads((root / "captions.json").read_text())
    content.append({"image": "twin.png", "captions": ["A twin."]})
    (root / "captions.json").write_text(json.dumps(content))
    code, out = check(visus, root, save_caption_folder)
    assert code == 2 and "which may be" in out and "write its folder" in out


def test_cocos_captions_follow_a_long_list_of_images(visus, workplace):
    root = save_caption_folder(workplace / "set")
    entries = json.loads((root / "captions.json").read_text())
    (root / "captions.json").unlink()
    images = [{"id": i, "file_name": e["image"], "url": "x" * 20000} for i, e in enumerate(entries)]
    annotations = [{"image_id": i, "caption": e["captions"][0]} for i, e in enumerate(entries)]
    (root / "all.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    code, out, err = visus("data", "check", root)
    assert code == 0 and "captions" in out, err
