"""Which files are images or videos, and every file below a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

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

    Attributes:
        images: Files with the ending of an image or of an array, sorted. A link to a missing file
            is among them, so that whoever reads it reports it.
        others: All other files, sorted.
        linked: Links to folders, which were followed, sorted.
        unreadable: Folders that may not be listed, and pipes, sockets and devices, sorted.
    """

    images: tuple[Path, ...]
    others: tuple[Path, ...]
    linked: tuple[Path, ...]
    unreadable: tuple[Path, ...]


def list_files(folder: Path) -> FolderFiles:
    """Every file in a folder and its subfolders, links to folders included.

    A link that leads back to a folder that contains it is not followed.

    Args:
        folder: The folder.
    """
    images: list[Path] = []
    others: list[Path] = []
    linked: list[Path] = []
    unreadable: list[Path] = []
    endings = EXTENSIONS | {ARRAY_EXTENSION}
    pending = [(folder, frozenset[tuple[int, int]]())]
    while pending:
        home, above = pending.pop()
        try:
            status = os.stat(home)
            with os.scandir(home) as opened:
                entries = list(opened)
        except OSError:
            unreadable.append(home)
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            continue
        if home.is_symlink() and home != folder:
            linked.append(home)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = home / entry.name
            if _is_folder(entry):
                pending.append((path, above | {identity}))
            elif not _is_file_or_broken(entry):
                unreadable.append(path)
            elif path.suffix.lower() in endings:
                images.append(path)
            else:
                others.append(path)
    return FolderFiles(
        tuple(sorted(images)), tuple(sorted(others)), tuple(sorted(linked)),
        tuple(sorted(unreadable)),
    )  # fmt: skip


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


def list_images(folder: Path, arrays: bool = False) -> list[Path]:
    """Image files in a folder and its subfolders by file name ending, sorted, without hidden ones.

    Links to folders are followed; see `list_files`.

    Args:
        folder: The folder.
        arrays: Whether `.npy` files are included.
    """
    images = list_files(folder).images
    return [path for path in images if arrays or path.suffix.lower() != ARRAY_EXTENSION]
