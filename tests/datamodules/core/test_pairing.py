import shutil
import unicodedata
from pathlib import Path

import pytest

from tests.conftest import save_scene
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.pairing import linked_line, pair_files, subfolder, unread_files


def pair(images, masks, suffixes=("", "_mask")):
    return pair_files(
        [Path(name) for name in images],
        [Path(name) for name in masks],
        lambda path: [path.stem + suffix for suffix in suffixes],
        lambda path: path.stem,
        "mask",
    )


def test_equal_names_are_paired_before_similar_ones():
    composed, separate = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    images = ["a.jpg", "A.png", "b.c.jpg", f"{composed}.jpg", "alone.png"]
    masks = ["a.png", "A.PNG", "B.C_MASK.png", f"{separate}.png", "orphan.png"]
    result = pair(images, masks)
    assert {str(k): str(v) for k, v in result.pairs.items()} == dict(
        zip(images[:4], masks[:4], strict=True)
    )
    assert result.alone == (Path("alone.png"),) and result.orphans == (Path("orphan.png"),)
    assert not result.problems


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (["a.jpg", "a.png"], ["a.png"], "has the same name, and one mask"),
        (["a.jpg"], ["a.png", "a_mask.png"], "has several masks, a.png and a_mask.png"),
        (["a.jpg"], ["a.png", "a.PNG"], "has several masks"),
        (["B.jpg", "b.png"], ["b_MASK.png"], "has the same name, and one mask"),
    ],
)
def test_ambiguous_names_are_errors_and_neither_is_used(images, masks, message):
    result = pair(images, masks)
    assert not result.pairs and not result.orphans
    assert len(result.problems) == len(images)
    assert all(message in p.message and p.severity == "error" for p in result.problems)


def test_two_images_of_one_name_without_a_partner_are_not_ambiguous():
    assert pair(["a.jpg", "a.png"], []).problems == ()


def test_unread_files_are_those_that_no_name_of_which_was_used(tmp_path):
    for name in ("images/a.png", "images/b.png", "other/c.png", "README.txt", "list.csv"):
        save_scene(tmp_path / name, 0) if name.endswith("png") else (tmp_path / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "images", target_is_directory=True)
    used = [tmp_path / "linked" / "a.png", tmp_path / "linked" / "b.png"]
    images, others = unread_files(tmp_path, used)
    assert "1 image that is not used (1 .png)" in images.message and "c.png" in images.message
    assert "1 file that is not read (1 .csv)" in others.message
    # For a file of annotations, the folders of its images are compared, not all beside it.
    (only,) = unread_files(tmp_path / "list.csv", [tmp_path / "images" / "a.png"])
    assert "1 image that is not used" in only.message and "b.png" in only.message
    assert linked_line(tmp_path) == ["links to folders that were followed: 1"]


def test_subfolders_are_found_in_any_case(tmp_path):
    (tmp_path / "JPEGimages").mkdir()
    assert subfolder(tmp_path, "JPEGImages").name == "JPEGimages"
    assert subfolder(tmp_path, "labels") == tmp_path / "labels"


def test_named_files_lie_inside_of_the_data_set(tmp_path):
    root = tmp_path / "set"
    save_scene(root / "images" / "a.png", 0)
    save_scene(root / "more" / "b.png", 0)
    save_scene(tmp_path / "outside.png", 0)
    shutil.copytree(root / "images", tmp_path / "else")
    (root / "linked").symlink_to(tmp_path / "else", target_is_directory=True)
    files = NamedFiles(root)
    homes = [root, root / "images"]
    for name in (
        "a.png",
        "images/a.png",
        " a.png",
        "images\\a.png",
        "A.PNG",
        "more/../images/a.png",
    ):
        assert files.find(name, homes) == root / "images" / "a.png", name
    assert files.find(str(root / "more" / "b.png"), homes) == root / "more" / "b.png"
    # The user's own links lead where the user wants; `..` does not lead back out of them.
    assert files.find("linked/a.png", homes) == root / "linked" / "a.png"
    for name in ("../outside.png", str(tmp_path / "outside.png"), "..\\outside.png", "/etc/passwd",
                 "linked/../../outside.png"):  # fmt: skip
        with pytest.raises(NamedFileError, match=r"lies outside of .* --data.allow_outside true"):
            files.find(name, homes)
    for name in ("", "a\0.png", "x" * 300, "b.png", "\ud800.png", "images"):
        with pytest.raises(NamedFileError):
            files.find(name, homes)
    assert files.find("b.png", homes, anywhere=True) == root / "more" / "b.png"
    with pytest.raises(NamedFileError, match=r"may be .*; write its folder"):
        files.find("a.png", [root / "more"], anywhere=True)
    assert NamedFiles(root, True).find("../outside.png", homes) == tmp_path / "outside.png"
