"""Find the files that the annotations of a data set name, inside of its folder only."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from visus.datamodules.core.pairing import simple_name, subfolder
from visus.datamodules.core.problems import shown
from visus.vision.errors import VisusError
from visus.vision.image_files import list_files

_LONGEST_NAME = 255
"""Bytes of a file's name that common file systems allow."""


class NamedFileError(VisusError):
    """A file that annotations name cannot be used; the message names no place."""


class NamedFiles:
    """The files that annotations of one data set name.

    Paths in annotation files are written by others: what they name must lie in the data set's
    folder, whatever they write. Links that lie in the folder are followed.

    Args:
        root: The folder.
        allow_outside: Whether files outside of the folder may be named as well.
    """

    def __init__(self, root: Path, allow_outside: bool = False) -> None:
        self.root = root
        self.allow_outside = allow_outside
        self._roots = {os.path.abspath(root), os.path.realpath(root)}

    def find(self, name: str, homes: Sequence[Path], anywhere: bool = False) -> Path:
        """The file of a name: the first that exists exactly, else one that differs in case only.

        Args:
            name: A path as it is written, relative to one of the folders, or absolute.
            homes: The folders in which it may lie, in the order in which they are searched.
            anywhere: Whether a single image of that name anywhere in the data set is meant too, the
                name with or without its ending.

        Raises:
            NamedFileError: If there is no such file, or several, or it is outside of the data set.
        """
        text = name.strip()
        if not text or "\0" in text:
            raise NamedFileError(f"names no file ({shown(name)})")
        if max(len(os.fsencode(part)) for part in _encodable(text).split("/")) > _LONGEST_NAME:
            raise NamedFileError(f"names a file with {len(text)} characters, too many for any")
        candidates = [
            Path(os.path.normpath(home / written))
            # Windows writes its own separators.
            for written in dict.fromkeys((name, text, text.replace("\\", "/")))
            for home in homes
        ]
        inside = [path for path in candidates if self.contains(path)]
        for path in inside:
            if _is_file(path):
                return path
        matches = [match for path in inside for match in self._by_path.get(_key(path), ())]
        if anywhere and not matches:
            last = simple_name(Path(text.replace("\\", "/")).name)
            matches = self._by_name.get(last, []) or self._by_stem.get(last, [])
        matches = list(dict.fromkeys(matches))
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise NamedFileError(
                f"names {shown(text)}, which may be {matches[0]} or {matches[1]}; write its folder"
            )
        if not self.contains(Path(os.path.normpath(homes[0] / text.replace("\\", "/")))):
            raise NamedFileError(
                f"names {shown(text)}, which lies outside of {self.root}; move it there, or accept "
                "such paths with --data.allow_outside true (--allow-outside of visus data)"
            )
        raise NamedFileError(f"there is no file {shown(text)} in {_places(homes, self.root)}")

    def contains(self, path: Path) -> bool:
        """Whether a path may be read: it lies in the data set, or paths outside are allowed."""
        if self.allow_outside:
            return True
        whole = os.path.abspath(path)
        return any(whole == root or whole.startswith(_slash(root)) for root in self._roots)

    @cached_property
    def _by_path(self) -> dict[str, list[Path]]:
        named = defaultdict(list)
        for path in map(Path, list_files(self.root).images):
            named[_key(path)].append(path)
        return dict(named)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return self._grouped(lambda path: path.name)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return self._grouped(lambda path: path.stem)

    def _grouped(self, name: Callable[[Path], str]) -> dict[str, list[Path]]:
        named = defaultdict(list)
        for paths in self._by_path.values():
            for path in paths:
                named[simple_name(name(path))].append(path)
        return dict(named)


def image_folders(annotations: Path, root: Path) -> list[Path]:
    """The folders in which the images of an annotation file may lie, nearest first."""
    # instances_train2017.json belongs to train2017/, and train_annotations.json to train/.
    folders = annotations.stem.split("_")[::-1]
    images = subfolder(root, "images")
    named = [subfolder(home, folder) for folder in folders for home in (root, images)]
    own = annotations.parent
    beside = [subfolder(home, "images") for home in (own, own.parent)]
    return list(dict.fromkeys((own, *named, *beside, root, images)))


def _encodable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file's name can hold."""
    return text.encode("utf-8", "replace").decode()


def _slash(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep


def _key(path: Path) -> str:
    return simple_name(os.path.abspath(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _places(homes: Sequence[Path], root: Path) -> str:
    folders = list(dict.fromkeys(str(home) for home in homes)) or [str(root)]
    return folders[0] if len(folders) == 1 else f"{folders[0]} or {len(folders) - 1} other folders"
