"""Decode every image of a data set once, on all cores, before anything is trained."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from visus.datamodules.core.csv_files import csv_rows
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import Listed, content_hash
from visus.vision.errors import VisusError
from visus.vision.images import ImageError, ImageInfo, inspect_image, list_images
from visus.vision.progress import track


class ListedImage(Listed, Protocol):
    """What a data set tells of an image, whatever its labels are.

    Attributes:
        path: The file.
        place: Where it is listed.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


Image = TypeVar("Image", bound=ListedImage)


@dataclass(frozen=True)
class ImageCheck:
    """What decoding a file found.

    Attributes:
        info: Its size and what may surprise; None where it cannot be read.
        content: `content_hash` of the file; empty where it cannot be read.
        error: Why it cannot be read; empty where it can.
    """

    info: ImageInfo | None
    content: str
    error: str

    def problems(self, place: str, in_channels: int = 3) -> list[Problem]:
        """What is wrong with the file, or may surprise, as told of a place.

        Args:
            place: The place.
            in_channels: What is expected of it; 1 can be made of RGB.
        """
        if self.info is None:
            return [Problem(place, self.error, "error")]
        channels = self.info.channels
        if channels != in_channels and (channels, in_channels) != (3, 1):
            message = f"has {channels} channels where {in_channels} are expected"
            return [Problem(place, f"{message}; see data.in_channels", "error")]
        return [Problem(place, note, "warning") for note in self.info.notes]


def inspect_images(paths: Sequence[Path]) -> Iterator[ImageCheck]:
    """Decode every image, in order."""
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(_inspect, paths), "Checking images", total=len(paths))


def _inspect(path: Path) -> ImageCheck:
    try:
        data = path.read_bytes()
        return ImageCheck(inspect_image(data), content_hash(data), "")
    except FileNotFoundError:
        return ImageCheck(None, "", f"there is no file {str(path)!r}")
    except (ImageError, OSError) as error:
        # The decoder saw bytes, so that its message names no file; the place does.
        return ImageCheck(None, "", str(error).removeprefix("image: "))


def image_paths(root: Path) -> list[Path]:
    """All images of a folder, or of a CSV's column `path`; labels are not needed.

    Raises:
        VisusError: If there is nothing to read at that place.
    """
    if root.is_dir():
        return list_images(root, arrays=True)
    if root.is_file() and root.suffix.lower() == ".csv":
        return [root.parent / (row["path"] or "").strip() for _, row in csv_rows(root, {"path"})]
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def usable_images(paths: Sequence[Path], in_channels: int = 3) -> tuple[list[Path], list[Problem]]:
    """Those that can be read and have these channels, and what is wrong with all."""
    usable, problems = [], []
    for path, check in zip(paths, inspect_images(paths), strict=True):
        found = check.problems(str(path), in_channels)
        problems += found
        if not any(problem.severity == "error" for problem in found):
            usable.append(path)
    return usable, problems


def check_copies(images: Sequence[Image]) -> tuple[list[Image], list[Problem]]:
    """Leave out images that stand in training and elsewhere too, and tell all copies."""
    by_content = defaultdict(list)
    for image in images:
        by_content[image.content].append(image)
    problems: list[Problem] = []
    left_out: set[str] = set()
    for copies in by_content.values():
        first = copies[0]
        for other in copies[1:]:
            same = f"the same image as {first.path}"
            if other.split != first.split:
                told = " and ".join(sorted({c.split or "no split" for c in copies}))
                message = f"{same}, in {told}: the figures would be too good"
                problems.append(Problem(other.place, message, "error"))
                left_out.update(c.place + c.split for c in copies if c.split in {"train", ""})
            else:
                message = f"{same}; both are kept, on one side of the split"
                problems.append(Problem(other.place, message, "warning"))
    return [p for p in images if p.place + p.split not in left_out], problems


def typical_size(sizes: Sequence[tuple[int, int]], longest: int) -> tuple[int, int]:
    """The input size for images of these sizes: their middle aspect, in multiples of 32.

    Args:
        sizes: (height, width) of each in pixels.
        longest: The most pixels of the longer side.

    Returns:
        (height, width) in pixels.
    """
    height, width = np.median(np.array(sizes, float), axis=0)
    scale = min(1.0, longest / max(height, width))
    rounded = [max(32, int(side * scale + 16) // 32 * 32) for side in (height, width)]
    return rounded[0], rounded[1]
