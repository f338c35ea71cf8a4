from pathlib import Path

from visus.datamodules.core.named_folders import files_in, find_named_folders
from visus.vision.image_files import list_files


def owners(root: Path) -> list[tuple[str, str, str]]:
    folders, *_ = find_named_folders(root)
    found = files_in(folders, list_files(root).images)
    return [(split, folder.name, Path(file).name) for split, folder, file in found]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_belong_to_the_named_folder_above_them_at_any_depth(tmp_path):
    touch(tmp_path, "cat/1.png", "cat/old/far/2.png", "cats/3.png", "4.png")
    assert owners(tmp_path) == [
        ("", "cat", "1.png"),
        ("", "cat", "2.png"),
        ("", "cats", "3.png"),
    ]


def test_files_of_splits_have_their_split(tmp_path):
    touch(tmp_path, "train/cat/1.png", "valid/cat/2.png", "other/3.png", "train/4.png")
    assert owners(tmp_path) == [("train", "cat", "1.png"), ("val", "cat", "2.png")]


def test_folders_of_the_current_folder_are_named_too(tmp_path, monkeypatch):
    touch(tmp_path, "cat/1.png", "dog/2.png")
    monkeypatch.chdir(tmp_path)
    assert owners(Path()) == [("", "cat", "1.png"), ("", "dog", "2.png")]
