"""Check every image of a data set before training: readable, right channels, no duplicates."""

import hashlib
import json
import math
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import PIL

from visus.datamodules.core.collection import collection_paused
from visus.datamodules.core.file_index import FileIndex, file_state
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import Listed
from visus.datamodules.core.thread_pools import thread_pool
from visus.vision import decoding
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

Copy = TypeVar("Copy", bound=Listed)

Item = TypeVar("Item")

_BATCH = 256
"""Images whose results are stored together."""


@dataclass(frozen=True, slots=True)
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


def inspect_images(paths: Iterable[Path | str]) -> Iterator[ImageCheck]:
    """Decode every image whose check is not in the index, in parallel.

    Yields:
        The result of each image, in order.
    """
    names = [str(path) for path in paths]
    with closing(FileIndex(names, _version())) as index:
        with collection_paused():
            checks = [None if stored is None else _decode(stored) for stored in index.read(names)]
        missing = [i for i, check in enumerate(checks) if check is None]
        if missing:
            with index.alone():
                # Another process of the same training may have checked them meanwhile.
                stored = index.read(names[i] for i in missing)
                for i, each in zip(missing, stored, strict=True):
                    checks[i] = None if each is None else _decode(each)
                missing = [i for i in missing if checks[i] is None]
                found = _inspect_files([names[i] for i in missing], index)
                shown = track(found, "Checking images", len(missing))
                for i, check in zip(missing, shown, strict=True):
                    checks[i] = check
    yield from (check for check in checks if check is not None)


def _inspect_files(paths: Sequence[str], index: FileIndex) -> Iterator[ImageCheck]:
    """Decode images in parallel, and store the results of those that can be read."""
    # Pillow decodes outside the interpreter's lock, so threads use all cores.
    with thread_pool() as pool:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            stored = []
            for path, (state, check) in zip(batch, pool.map(_inspect, batch), strict=True):
                if check.info is not None:
                    stored.append((path, state, _encode(check.info, check.content)))
                yield check
            # An interruption loses the results of one batch.
            index.write(stored)


def _inspect(path: str) -> tuple[str, ImageCheck]:
    """The state of a file before its check, and the result."""
    state = file_state(path)
    if not os.path.exists(path):
        return state, ImageCheck(None, "", f"there is no file {path!r}")
    try:
        # Decoded first: what is not a file of bounded size cannot be hashed.
        return state, ImageCheck(inspect_image(path), file_hash(path), "")
    except (ImageError, OSError) as error:
        # The problem's place names the file.
        return state, ImageCheck(None, "", str(error).removeprefix(f"{path}: "))


def _encode(info: ImageInfo, content: str) -> str:
    return f"{content} {json.dumps(astuple(info))}"


def _decode(stored: str) -> ImageCheck:
    content, _, info = stored.partition(" ")
    return ImageCheck(_decode_info(info), content, "")


@lru_cache(maxsize=4096)
def _decode_info(text: str) -> ImageInfo:
    """Shared by the images with equal properties, which saves time and memory."""
    width, height, stored, orientation, channels, notes = json.loads(text)
    return ImageInfo(width, height, tuple(stored), orientation, channels, tuple(notes))


@cache
def _version() -> str:
    """Differs after every change of the code that decides which images are accepted."""
    folder = Path(decoding.__path__[0])
    files = [Path(__file__), folder.parent / "images.py", *sorted(folder.glob("*.py"))]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{PIL.__version__} {code}"


def file_hash(path: Path | str) -> str:
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
    problems: list[Problem] = []
    left_out: set[str] = set()
    for copies in group_copies(images):
        first = copies[0]
        for other in copies[1:]:
            same = f"the same image as {first.path}"
            # Those without a split are for training.
            if (other.split or "train") != (first.split or "train"):
                splits = " and ".join(sorted({c.split or "no split" for c in copies}))
                message = f"{same}, in {splits}: the metrics would be too good"
                problems.append(Problem(other.place, message, "error"))
                left_out.update(c.place + c.split for c in copies if c.split in {"train", ""})
            else:
                message = f"{same}; both are used, in the same split"
                problems.append(Problem(other.place, message, "warning"))
    return [p for p in images if p.place + p.split not in left_out], problems


def group_copies(samples: Iterable[Copy]) -> list[list[Copy]]:
    """The samples whose content occurs more than once, those of one content together."""
    first: dict[str, Copy] = {}
    copies: dict[str, list[Copy]] = {}
    for sample in samples:
        earlier = first.setdefault(sample.content, sample)
        if earlier is not sample:
            copies.setdefault(sample.content, [earlier]).append(sample)
    return list(copies.values())


_SPREAD = 10_000
"""Samples that are enough for a median."""


def spread(samples: Sequence[Item]) -> Sequence[Item]:
    """All samples, or about 10,000 that are evenly spread over them."""
    return samples[:: max(1, len(samples) // _SPREAD)]


def typical_size(sizes: Sequence[tuple[int, int]], longest: int) -> tuple[int, int]:
    """The network's input size for images of these sizes: their median, in multiples of 32.

    Args:
        sizes: (height, width) of each image in pixels.
        longest: See `reduction`.

    Returns:
        (height, width) in pixels.
    """
    height, width = np.median(np.array(sizes, float), axis=0)
    scale = reduction((height, width), longest)
    rounded = [max(32, int(side * scale + 16) // 32 * 32) for side in (height, width)]
    return rounded[0], rounded[1]


def reduction(size: tuple[float, float], longest: int) -> float:
    """The factor by which images are scaled down to the size of a network's input, at most 1.

    Args:
        size: (height, width) of an image in pixels.
        longest: Maximum length of the longer side in pixels of images of 4:3. Longer images keep as
            many pixels as such an image has: what they show is not smaller.
    """
    height, width = size
    pixels = 0.75 * longest**2
    return min(1.0, max(longest / max(height, width), math.sqrt(pixels / (height * width))))


def largest_scale(sizes: Sequence[tuple[int, int]], input_size: tuple[int, int]) -> float:
    """The largest input relative to `input_size` that does not enlarge most images, at least 1.

    Args:
        sizes: (height, width) of each image in pixels.
        input_size: (height, width) of the network's input in pixels.
    """
    return max(1.0, statistics.median(max(size) for size in sizes) / max(input_size))


def reading_side(input_size: tuple[int, int], zoom: float = 1.5) -> int:
    """Both sides in pixels that training images need; JPEG files are decoded at that size.

    See `visus.vision.images.read_image`.

    Args:
        input_size: (height, width) of the network's input in pixels.
        zoom: The factor by which parts of an image may be enlarged without loss.
    """
    return int(zoom * min(input_size))
