import os
from pathlib import Path

import pytest
from PIL import Image

from visus.vision.decoding.formats import _FORMATS
from visus.vision.image_files import EXTENSIONS, folders_listed_once, list_files, list_images


def names(paths, folder):
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_the_endings_are_all_that_the_readers_formats_have():
    Image.init()
    formats = {*_FORMATS, "MPO"}
    assert EXTENSIONS >= {ending for ending, name in Image.EXTENSION.items() if name in formats}


def test_the_endings_of_heif_are_those_of_its_reader():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    assert EXTENSIONS >= {ending for ending, name in Image.EXTENSION.items() if name == "HEIF"}


def test_every_file_is_listed_once_in_any_case_and_depth(tmp_path):
    for name in (
        "b.JPG",
        "a/1.jfif",
        "a/b/c/2.Png",
        "a/3.npy",
        ".hidden/4.png",
        "a/.5.png",
        "n.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = list_files(tmp_path)
    assert names(files.images, tmp_path) == ["a/1.jfif", "a/3.npy", "a/b/c/2.Png", "b.JPG"]
    assert names(files.others, tmp_path) == ["n.txt"]
    assert names(list_images(tmp_path), tmp_path) == ["a/1.jfif", "a/b/c/2.Png", "b.JPG"]
    assert len(list_images(tmp_path, arrays=True)) == 4
    assert list_images(tmp_path / "none") == []


def test_links_are_followed_and_end_where_they_lead_back(tmp_path):
    root = tmp_path / "set"
    (root / "cat").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "1.png").touch()
    (root / "dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "cat" / "back").symlink_to(root, target_is_directory=True)
    (tmp_path / "elsewhere" / "self").symlink_to("self")
    (root / "cat" / "gone.png").symlink_to("nowhere.png")
    files = list_files(root)
    # A link to nothing is listed: whoever reads it names it.
    assert names(files.images, root) == ["cat/gone.png", "dog/deep/1.png"]
    assert names(files.linked, root) == ["dog"]


def test_what_is_no_file_or_may_not_be_listed_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    files = list_files(tmp_path)
    assert files.images == files.others == ()
    assert names(files.unreadable, tmp_path) == ["pipe.png"]
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("this user may list every folder")
    assert names(list_files(tmp_path).unreadable, tmp_path) == ["closed", "pipe.png"]


def test_a_folder_is_read_once_where_that_is_asked_for(tmp_path):
    (tmp_path / "1.png").touch()
    with folders_listed_once():
        with folders_listed_once():
            assert names(list_files(tmp_path).images, tmp_path) == ["1.png"]
        (tmp_path / "2.png").touch()
        assert names(list_files(tmp_path).images, tmp_path) == ["1.png"]
    assert names(list_files(tmp_path).images, tmp_path) == ["1.png", "2.png"]
