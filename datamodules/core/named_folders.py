"""Find the folders whose names are labels, such as classes or people, perhaps within splits."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.image_files import list_files


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, links to folders included, without hidden ones, sorted.

    None for a folder that may not be listed, which `pairing.unread_files` reports.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if path.is_dir() and not path.name.startswith(".")]


def is_split(folder: Path) -> bool:
    """Whether a folder is a split: it has the name of one and contains folders."""
    return folder.name.lower() in SPLIT_NAMES and bool(subfolders(folder))


def find_named_folders(
    root: Path,
) -> tuple[list[tuple[str, Path]], list[Problem], Sequence[str]]:
    """Find the folders in a folder, or in its splits.

    Args:
        root: A folder of named folders, or of splits (`train`, `val`, `test`) of such folders.

    Returns:
        (split, folder) of each, the split empty if there are none; a warning for each folder
        beside the splits that holds files; and those files.
    """
    folders = subfolders(root)
    splits = [folder for folder in folders if is_split(folder)]
    if not splits:
        return [("", folder) for folder in folders], _check_splits(folders), ()
    named = [(SPLIT_NAMES[f.name.lower()], folder) for f in splits for folder in subfolders(f)]
    problems = []
    unread: list[str] = []
    for folder in folders:
        files = list_files(folder) if folder not in splits else None
        if files and (files.images or files.others):
            message = "is not one of the split folders beside it and is not read"
            problems.append(Problem(str(folder), message, "warning"))
            unread += [*files.images, *files.others]
    return named, problems, unread


def _check_splits(folders: Sequence[Path]) -> list[Problem]:
    """A problem where the folders are splits by other names, such as `seg_train` and `seg_test`."""
    found = []
    for folder in folders:
        words = re.split("[^a-z]+", folder.name.lower())
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
        if split is None:
            return []
        found.append(split)
    if len(set(found)) < 2:
        return []
    names = " and ".join(folder.name for folder in folders)
    if any(map(subfolders, folders)):
        remedy = f"rename {names} to {' and '.join(found)}"
    else:
        remedy = "list the images of both with their labels in a CSV, labels.csv beside them"
    message = f"looks like a split, not like a label; {remedy}"
    return [Problem(str(folders[0]), message, "fatal")]


def files_in(
    folders: Iterable[tuple[str, Path]], files: Iterable[str]
) -> Iterator[tuple[str, Path, str]]:
    """Yield those of the files that lie in named folders, with the split and the folder of each.

    Args:
        folders: See `find_named_folders`.
        files: Of the data set's folder, see `FolderFiles`.
    """
    named = {str(folder): (split, folder) for split, folder in folders}
    above: dict[str, tuple[str, Path] | None] = {}
    for file in files:
        home = file[: file.rfind(os.sep)]
        if home not in above:
            parents = map(str, Path(file).parents)
            above[home] = next((named[each] for each in parents if each in named), None)
        found = above[home]
        if found is not None:
            yield (*found, file)
