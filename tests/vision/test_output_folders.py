"""Output folders appear as a whole, or stay as they were."""

from pathlib import Path

import pytest

from visus.vision.errors import VisusError
from visus.vision.output_folders import complete_folder


def written(output):
    with complete_folder(output, last="index") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "file").write_text("x")
        (folder / "index").touch()
        assert not (output / "index").exists()
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*"))


@pytest.mark.parametrize("kind", ["missing", "empty", "link", "here"])
def test_the_content_appears_at_the_end(tmp_path, monkeypatch, kind):
    output = tmp_path / "new" / "out"
    if kind == "empty":
        output.mkdir(parents=True)
    if kind == "link":
        # As of a mounted file system, its parent is another folder.
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "new").mkdir()
        output.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    if kind == "here":
        output.mkdir(parents=True)
        monkeypatch.chdir(output)
        output = Path()
    assert written(output) == ["a", "a/file", "index"]
    if kind == "link":
        assert output.is_symlink() and (tmp_path / "elsewhere" / "index").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_remains_after_an_error(tmp_path, exists):
    output = tmp_path / "out"
    if exists:
        output.mkdir()
    with pytest.raises(ZeroDivisionError), complete_folder(output) as folder:
        (folder / "file").touch()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.rglob("*")] == ["out"] * exists


def test_used_folders_are_refused(tmp_path):
    (tmp_path / "file").touch()
    for output in (tmp_path, tmp_path / "file"):
        with pytest.raises(VisusError, match="is not empty"), complete_folder(output):
            pass
