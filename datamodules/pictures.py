"""Decode every picture of a data set once, on all cores, before anything is trained."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from datamodules.csv_files import csv_rows
from datamodules.problems import Problem
from datamodules.splits import content_hash
from vision.errors import VisusError
from vision.images import ImageError, ImageInfo, inspect_image, list_images
from vision.progress import track


@dataclass(frozen=True)
class PictureCheck:
    """What decoding a file found.

    Attributes:
        info: Its size and what may surprise; None where it cannot be read.
        content: `content_hash` of the file; empty where it cannot be read.
        error: Why it cannot be read; empty where it can.
    """

    info: ImageInfo | None
    content: str
    error: str

    def problems(self, place: str) -> list[Problem]:
        """What is wrong with the file, or may surprise, as told of a place."""
        if self.info is None:
            return [Problem(place, self.error, "error")]
        return [Problem(place, note, "warning") for note in self.info.notes]


def inspect_pictures(paths: Sequence[Path]) -> Iterator[PictureCheck]:
    """Decode every picture, in order."""
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(_inspect, paths), "Checking pictures", total=len(paths))


def _inspect(path: Path) -> PictureCheck:
    try:
        data = path.read_bytes()
        return PictureCheck(inspect_image(data), content_hash(data), "")
    except FileNotFoundError:
        return PictureCheck(None, "", f"there is no file {str(path)!r}")
    except (ImageError, OSError) as error:
        # The decoder saw bytes, so that its message names no file; the place does.
        return PictureCheck(None, "", str(error).removeprefix("picture: "))


def picture_paths(root: Path) -> list[Path]:
    """All pictures of a folder, or of a CSV's column `path`; labels are not needed.

    Raises:
        VisusError: If there is nothing to read at that place.
    """
    if root.is_dir():
        return list_images(root)
    if root.is_file() and root.suffix.lower() == ".csv":
        return [root.parent / (row["path"] or "").strip() for _, row in csv_rows(root, {"path"})]
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def usable_pictures(paths: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """Those that can be read, and what is wrong with all."""
    usable, problems = [], []
    for path, check in zip(paths, inspect_pictures(paths), strict=True):
        problems += check.problems(str(path))
        if check.info is not None:
            usable.append(path)
    return usable, problems
