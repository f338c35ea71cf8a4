"""Read the YAML file that describes a YOLO data set: class names, key points and image folders."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from visus.datamodules.core.labels import Labels, misspelt
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.pairing import subfolder
from visus.datamodules.core.problems import shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.text_files import read_text
from visus.vision.errors import VisusError
from visus.vision.image_files import EXTENSIONS, list_images

_KEYS = ("names", "nc", "path", "kpt_shape", *SPLIT_NAMES)
_NOTHING = ("", "null", "~")


class _Strings(yaml.BaseLoader):  # type: ignore[misc]
    """Reads every scalar as the text that is written: YAML's `no` is a name like any other."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping, of which no key occurs twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.MarkedYAMLError(
                problem=f"the key {shown(twice)} occurs twice", problem_mark=node.start_mark
            )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def yaml_files(root: Path) -> list[Path]:
    """The YAML files in a folder, sorted."""
    files = (path for path in root.iterdir() if path.suffix.lower() in {".yaml", ".yml"})
    return sorted(path for path in files if path.is_file())


def load(path: Path) -> dict[str, Any]:
    """The content of a YAML file, with all scalars as strings; empty if it is not a mapping.

    Raises:
        VisusError: If it cannot be read or is not YAML; the message names no file.
    """
    try:
        # A loader of strings only; it builds no objects.
        content = yaml.load(read_text(path), _Strings)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = error.problem if "twice" in str(error.problem) else "not YAML"
        raise VisusError(f"line {line}: {reason}; correct it") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise VisusError(f"is not usable YAML ({type(error).__name__}); write it again") from None
    return content if isinstance(content, dict) else {}


def describes(path: Path) -> bool:
    """Whether a YAML file describes detection data: it has names, and names image folders.

    A YAML of names alone describes masks; its images have no label files.
    """
    try:
        keys = {str(key).lower() for key in load(path)}
    except VisusError:
        return False
    return "names" in keys and not keys.isdisjoint(SPLIT_NAMES)


@dataclass(frozen=True)
class Description:
    """The content of a YAML file of a YOLO data set.

    Attributes:
        names: Class names in the order of their ids.
        key_point_values: Values that follow each box, as `kpt_shape` declares; 0 without it.
        images: The images with their splits.
        lists: The text files that list images.
    """

    names: tuple[str, ...]
    key_point_values: int
    images: tuple[tuple[Path, str], ...]
    lists: tuple[Path, ...]


def read_description(path: Path, labels: Labels, allow_outside: bool) -> Description:
    """Read a YAML file; what is not usable in it is a fatal problem, and the rest is read."""
    try:
        content = load(path)
    except VisusError as error:
        labels.fatal(str(path), str(error))
        return Description((), 0, (), ())
    if wrong := misspelt(map(str, content), _KEYS):
        labels.fatal(str(path), wrong)
    named = {key: list(_entries(f"{path}: {key}", content.get(key), labels)) for key in SPLIT_NAMES}
    if "names" not in content or not any(named.values()):
        labels.fatal(str(path), "needs names, and train or val: the folders of the images")
    names: tuple[str, ...] = ()
    values = 0
    try:
        names = _names(content.get("names", []))
        _check_count(content.get("nc"), len(names))
    except VisusError as error:
        labels.fatal(str(path), str(error))
    try:
        values = _key_point_values(content.get("kpt_shape"))
    except VisusError as error:
        labels.fatal(str(path), str(error))
    images: list[tuple[Path, str]] = []
    folders = _Folders(path, content.get("path"), labels, allow_outside)
    for key, entries in named.items():
        for entry in entries:
            images += [(image, SPLIT_NAMES[key]) for image in folders.images(entry, key)]
    return Description(names, values, tuple(images), tuple(folders.lists))


def _names(names: object) -> tuple[str, ...]:
    """The class names.

    Raises:
        VisusError: If they are not usable.
    """
    if isinstance(names, dict):
        ids = [int(key) for key in names if str(key).isascii() and str(key).isdigit()]
        if len(ids) < len(names) or sorted(ids) != list(range(len(ids))):
            missing = next(i for i in range(len(names) + 1) if i not in ids)
            raise VisusError(
                f"its names have the ids {shown(', '.join(map(str, names)))}; ids run from 0 "
                f"without a gap, and {missing} is missing"
            )
        names = [names[key] for key in sorted(names, key=int)]
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        raise VisusError("its names are neither a list nor a mapping of ids to names")
    return tuple(names)


def _check_count(stated: object, number: int) -> None:
    if stated is not None and stated not in (str(number), *_NOTHING):
        raise VisusError(f"states nc {shown(stated)}, but {number} names; correct one of them")


def _key_point_values(shape: object) -> int:
    """The number of values of key points that follow each box.

    Raises:
        VisusError: If `kpt_shape` is not [number, 2 or 3].
    """
    if shape is None or shape in _NOTHING:
        return 0
    if (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(n, str) and n.isascii() and n.isdigit() for n in shape)
        and 0 < int(shape[0]) < 10_000
        and shape[1] in {"2", "3"}
    ):
        return int(shape[0]) * int(shape[1])
    raise VisusError(f"its kpt_shape {shown(shape)} is not [number of key points, 2 or 3]")


def _entries(place: str, value: object, labels: Labels) -> Iterator[str]:
    """The folders or files that a split names."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str) and "\0" not in entry:
            if entry not in _NOTHING:
                yield entry
        elif entry is not None:
            labels.error(place, f"is {shown(entry)}, neither a folder nor a list of folders")


class _Folders:
    """Finds the images that a YAML file names.

    The user named the YAML file, which was perhaps written by others. Folders in its own folder
    are read. A folder outside, as in `path: ../datasets/name`, is read if it has the form of a
    YOLO data set, `images` beside `labels`, and is not hidden; anything else outside of both needs
    `allow_outside`.
    """

    def __init__(self, path: Path, base: object, labels: Labels, allow_outside: bool) -> None:
        self.path = path
        self.labels = labels
        self.lists: list[Path] = []
        self.home = path.parent
        self.inside = NamedFiles(self.home, allow_outside)
        self.base = self.home
        if isinstance(base, str) and base not in _NOTHING and "\0" not in base:
            stated = _plain(self.home / base)
            self.base = stated if _is_folder(stated) else self.home

    def images(self, entry: str, key: str) -> list[Path]:
        """The images of one entry of a split; adds a problem if there are none."""
        place = f"{self.path}: {key}"
        try:
            home = self._locate(entry)
        except VisusError as error:
            if key in ("train", "training"):
                self.labels.error(place, str(error))
            else:
                message = f"{error}; the data set is used without that split"
                self.labels.warn(place, message)
            return []
        if _is_folder(home):
            images = list_images(home)
            if not images:
                self.labels.error(place, f"names {shown(entry)}, which holds no images")
            return images
        self.lists.append(home)
        return self._listed(home)

    def _locate(self, entry: str) -> Path:
        """The folder or list that an entry names.

        Raises:
            VisusError: If it does not exist, is ambiguous, or may not be read.
        """
        # Exports often state ../train/images for a folder beside the file.
        beside = Path(*[part for part in Path(entry).parts if part != ".."])
        paths = dict.fromkeys((_plain(self.base / entry), _plain(self.base / beside)))
        found = [path for path in paths if _is_folder(path) or _is_file(path)]
        if not found:
            raise VisusError(f"names {shown(entry)}, which does not exist in {self.base}")
        allowed = [path for path in found if self._may_read(path)]
        if not allowed:
            raise VisusError(
                f"names {shown(entry)}, which lies outside of {self.home} and is not a folder "
                "images beside a folder labels; move it there, or accept it with "
                "--data.allow_outside true (--allow-outside of visus data)"
            )
        if len(allowed) > 1:
            raise VisusError(f"names {shown(entry)}, which may be {allowed[0]} or {allowed[1]}")
        return allowed[0]

    def _may_read(self, path: Path) -> bool:
        if self.inside.contains(path):
            return True
        if _is_file(path):
            path = path.parent / "images"
        outside = Path(os.path.relpath(path.absolute(), self.home.absolute())).parts
        if any(part.startswith(".") and part != ".." for part in outside):
            return False
        homes = [p for p in (path, *path.parents) if p.name.lower() == "images"]
        return any(home.is_dir() and subfolder(home.parent, "labels").is_dir() for home in homes)

    def _listed(self, path: Path) -> list[Path]:
        """The images that a text file lists."""
        if path.suffix.lower() != ".txt":
            self.labels.error(str(path), "is neither a folder nor a list of images (.txt)")
            return []
        try:
            lines = read_text(path).splitlines()
        except VisusError as error:
            self.labels.fatal(str(path), str(error))
            return []
        files = self.inside
        if not files.contains(path):
            files = NamedFiles(self.base, files.allow_outside)
        images: list[Path] = []
        for number, line in enumerate(lines, 1):
            place = f"{path}:{number}"
            if line.strip() and Path(line.strip()).suffix.lower() not in EXTENSIONS:
                # The file may be no list at all, so that its lines are not printed.
                self.labels.error(place, "names no image; a list holds the path of one per line")
            elif line.strip():
                try:
                    images.append(files.find(line, [path.parent, self.base]))
                except NamedFileError as error:
                    self.labels.error(place, str(error))
        return images


def _plain(path: Path) -> Path:
    """A path without `..`, which would not lead back from a link."""
    return Path(os.path.normpath(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
