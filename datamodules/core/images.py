"""Check every image of a data set before training: readable, right channels, no duplicates."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import Listed
from visus.vision.images import ImageError, ImageInfo, inspect_image
from visus.vision.progress import track


class ListedImage(Listed, Protocol):
    """An image of a data set, with labels of any kind.

    Attributes:
        path: The file.
        place: Where it is listed: the file itself, or a CSV or JSON file and the line in it.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


Image = TypeVar("Image", bound=ListedImage)


@dataclass(frozen=True)
class ImageCheck:
    """Result of decoding an image file.

    Attributes:
        info: Size, channels and notes on the image; None if the file cannot be read.
        content: `content_hash` of the file; empty if it cannot be read.
        error: Why the file cannot be read; empty if it can.
    """

    info: ImageInfo | None
    content: str
    error: str

    def problems(self, place: str, in_channels: int = 3) -> list[Problem]:
        """Problems of the file.

        Args:
            place: Where the image is listed, for the messages.
            in_channels: Expected number of channels; 3 are accepted for 1.
        """
        if self.info is None:
            return [Problem(place, self.error, "error")]
        channels = self.info.channels
        if channels != in_channels and (channels, in_channels) != (3, 1):
            message = f"has {channels} channels where {in_channels} are expected"
            return [Problem(place, f"{message}; see data.in_channels", "error")]
        return [Problem(place, note, "warning") for note in self.info.notes]


def inspect_images(paths: Sequence[Path]) -> Iterator[ImageCheck]:
    """Decode every image, in parallel; yields the results in order."""
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(_inspect, paths), "Checking images", total=len(paths))


def _inspect(path: Path) -> ImageCheck:
    if not path.exists():
        return ImageCheck(None, "", f"there is no file {str(path)!r}")
    try:
        # Decoded first: what is no file of bounded size cannot be hashed.
        return ImageCheck(inspect_image(path), file_hash(path), "")
    except (ImageError, OSError) as error:
        # The problem's place names the file.
        return ImageCheck(None, "", str(error).removeprefix(f"{path}: "))


def file_hash(path: Path) -> str:
    """`content_hash` of a file, which is never in memory as a whole."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_copies(images: Sequence[Image]) -> tuple[list[Image], list[Problem]]:
    """Find duplicates by content, and leave out those that leak from training to evaluation.

    Args:
        images: Images with their content hashes.

    Returns:
        The remaining images, and a problem for each duplicate.
    """
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
                splits = " and ".join(sorted({c.split or "no split" for c in copies}))
                message = f"{same}, in {splits}: the figures would be too good"
                problems.append(Problem(other.place, message, "error"))
                left_out.update(c.place + c.split for c in copies if c.split in {"train", ""})
            else:
                message = f"{same}; both are used, in the same split"
                problems.append(Problem(other.place, message, "warning"))
    return [p for p in images if p.place + p.split not in left_out], problems


def typical_size(sizes: Sequence[tuple[int, int]], longest: int) -> tuple[int, int]:
    """The network's input size for images of these sizes: their median, in multiples of 32.

    Args:
        sizes: (height, width) of each image in pixels.
        longest: Maximum length of the longer side in pixels.

    Returns:
        (height, width) in pixels.
    """
    height, width = np.median(np.array(sizes, float), axis=0)
    scale = min(1.0, longest / max(height, width))
    rounded = [max(32, int(side * scale + 16) // 32 * 32) for side in (height, width)]
    return rounded[0], rounded[1]
