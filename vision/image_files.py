"""Which files are images or videos, and every file below a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Literal, get_args

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".webp", ".tif", ".tiff"}
    | {".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"}
    | {".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"}
)
"""File name endings of images, in lower case: all that Pillow gives to the formats it may read."""

VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".wmv", ".asf"}
    | {".flv", ".f4v", ".ogv", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".ivf"}
    | {".m1v", ".m2v", ".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg"}
)
"""File name endings of videos, in lower case."""

ARRAY_EXTENSION = ".npy"
"""File name ending of images with other channels than RGB: uint8 (height, width, channels)."""


@dataclass(frozen=True)
class FolderFiles:
    """The files below a folder, without hidden ones.

    The paths are strings: of a million files, objects of `Path` take 400 MB.

    Attributes:
        images: Files with the ending of an image or of an array, sorted. A link to a missing file
            is among them, so that whoever reads it reports it.
        others: All other files, sorted.
        linked: Links to folders, which were followed, sorted.
        unreadable: Folders that may not be listed, and pipes, sockets and devices, sorted.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]
    linked: tuple[str, ...]
    unreadable: tuple[str, ...]


_listings: ContextVar[dict[Path, FolderFiles] | None] = ContextVar("listings", default=None)


@contextmanager
def folders_listed_once() -> Iterator[None]:
    """A context in which `list_files` reads each folder once.

    Several readers look through the same million files; what is added meanwhile is not seen.
    """
    if _listings.get() is not None:
        yield
        return
    token = _listings.set({})
    try:
        yield
    finally:
        _listings.reset(token)


def list_files(folder: Path) -> FolderFiles:
    """Every file in a folder and its subfolders, links to folders included.

    A link that leads back to a folder that contains it is not followed.

    Args:
        folder: The folder.
    """
    listings = _listings.get()
    if listings is not None and folder in listings:
        return listings[folder]
    found: dict[_Kind, list[str]] = {kind: [] for kind in get_args(_Kind)}
    for kind, path in _walk(folder):
        found[kind].append(path)
    files = FolderFiles(**{kind: tuple(paths) for kind, paths in found.items()})
    if listings is not None:
        listings[folder] = files
    return files


def list_images(folder: Path, arrays: bool = False) -> list[Path]:
    """Image files in a folder and its subfolders by file name ending, sorted, without hidden ones.

    Links to folders are followed; see `list_files`.

    Args:
        folder: The folder.
        arrays: Whether `.npy` files are included.
    """
    return [Path(path) for path in iterate_images(folder, arrays)]


def iterate_images(folder: Path, arrays: bool = False) -> Iterator[str]:
    """Yield the paths of `list_images` as strings, while the folder is read."""
    for kind, path in _walk(folder):
        if kind == "images" and (arrays or not path.lower().endswith(ARRAY_EXTENSION)):
            yield path


_Kind = Literal["images", "others", "linked", "unreadable"]
"""The attributes of `FolderFiles`."""


def _walk(folder: Path) -> Iterator[tuple[_Kind, str]]:
    """Yield each file, in the order of sorted paths, which is that of the parts of their names."""
    endings = EXTENSIONS | {ARRAY_EXTENSION}
    # Entries of the current folder begin with `./`, which a `Path` leaves out.
    start = 2 if folder == Path() else 0
    # The folders that contain each folder, so that no link leads in circles.
    above = {str(folder): frozenset[tuple[int, int]]()}
    pending: list[os.DirEntry[str] | None] = [None]
    while pending:
        # Taken from the end: what a folder holds comes before the entry that follows the folder.
        entry = pending.pop()
        path = str(folder) if entry is None else entry.path
        if entry is not None and not _is_folder(entry):
            kind: _Kind = "others"
            if not _is_file_or_broken(entry):
                kind = "unreadable"
            elif entry.name[entry.name.rfind(".") :].lower() in endings:
                kind = "images"
            yield kind, path[start:]
            continue
        try:
            status = os.stat(path)
            with os.scandir(path) as opened:
                inside = [each for each in opened if not each.name.startswith(".")]
        except OSError:
            yield "unreadable", path[start:]
            continue
        identity = (status.st_dev, status.st_ino)
        parents = above[os.path.dirname(path) if entry else path]
        if identity in parents:
            continue
        above[path] = parents | {identity}
        if entry is not None and entry.is_symlink():
            yield "linked", path[start:]
        pending += sorted(inside, key=attrgetter("name"), reverse=True)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A loop of links.
        return False


def _is_file_or_broken(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a file, or a link to nothing; reading a pipe would never end."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        return True
