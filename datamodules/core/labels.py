"""Labelled images and objects, the common form of all formats of detection labels."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.shards.samples import ShardFile

Box = tuple[float, float, float, float]
"""(x1, y1, x2, y2) in pixels, or as fractions of the image size if `LabelledImage.relative`."""


@dataclass(frozen=True)
class LabelledObject:
    """One labelled object.

    Attributes:
        label: Its class name.
        box: Its bounding box.
        place: Where it is listed: the file and the line or key.
        crowd: Whether it is a region of many objects: not trained on, and ignored in evaluation.
        difficult: Whether it is labelled as hard to see: treated as a crowd.
        polygons: Outlines, each (x, y, x, y, ...), in the units of the box; empty for none.
        runs: COCO's run lengths of its mask instead; empty for none.
        runs_size: (height, width) of that mask; (0, 0) if the labels do not state it.
        area: Area of its mask in pixels, if the labels state it; None otherwise.
        score: 0 to 1, where a model predicted it; None for other labels.
    """

    label: str
    box: Box
    place: str
    crowd: bool = False
    difficult: bool = False
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    runs_size: tuple[int, int] = (0, 0)
    area: float | None = None
    score: float | None = None

    @property
    def ignored(self) -> bool:
        """Whether it is excluded from training and evaluation."""
        return self.crowd or self.difficult

    @property
    def has_mask(self) -> bool:
        """Whether its mask is labelled, not just its box."""
        return bool(self.polygons or self.runs)


@dataclass(frozen=True)
class LabelledImage:
    """One image and its labelled objects.

    Attributes:
        path: The file.
        objects: Its objects; empty for an image without objects.
        split: `train`, `val`, `test`, or empty if the data set does not state one.
        place: Where it is listed.
        declared: (height, width) that the labels state; None if they do not.
        relative: Whether boxes and polygons are fractions of the image size.
        content: `content_hash` of the file; empty before it is checked.
        size: (height, width) as it is read; (0, 0) before it is checked.
        upright: Whether it is read with its EXIF orientation applied.
        stored: Where the image lies, if that is a shard; `path` is its name then.
    """

    path: Path
    objects: tuple[LabelledObject, ...]
    split: str
    place: str
    declared: tuple[int, int] | None = None
    relative: bool = False
    content: str = ""
    size: tuple[int, int] = (0, 0)
    upright: bool = True
    stored: ShardFile | None = None

    @property
    def image_source(self) -> Path | ShardFile:
        """What the image is decoded from."""
        return self.stored or self.path


@dataclass
class Labels:
    """The labels of a data set, not yet checked against the images.

    Attributes:
        images: In a fixed order.
        class_names: In the order of their ids.
        problems: Problems of the label files.
        format: Name of the format, such as `coco`.
        files: The label files that were read, those with problems included.
    """

    images: list[LabelledImage] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    format: str = ""
    files: list[Path] = field(default_factory=list)

    def error(self, place: str, message: str) -> None:
        """Add a problem that excludes an image or an object."""
        self.problems.append(Problem(place, message, "error"))

    def warn(self, place: str, message: str) -> None:
        """Add a problem that excludes nothing."""
        self.problems.append(Problem(place, message, "warning"))

    def fatal(self, place: str, message: str) -> None:
        """Add a problem that excludes a whole file."""
        self.problems.append(Problem(place, message, "fatal"))


def is_number(value: object) -> bool:
    """Whether a value is a finite number in the range of coordinates."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # False for NaN too; exact for integers that no float can represent.
    return abs(value) < 1e9


_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parse_number(text: str) -> float | None:
    """The coordinate that a text states; None if it is not a finite number in their range.

    Python's own conversion would accept `1_0` and digits of other scripts.
    """
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if is_number(value) else None


def misspelt(keys: Iterable[str], known: Iterable[str]) -> str:
    """A message on keys that differ from a missing one in case and separators; empty for none.

    Args:
        keys: The keys of an entry, such as `isCrowd`.
        known: The keys that are read, such as `iscrowd`.
    """
    keys = set(keys)
    others = keys.difference(known)
    if not others:
        return ""
    missing = {_letters(key): key for key in set(known).difference(keys)}
    return "; ".join(
        f"its key {shown(key)} must be written {missing[_letters(key)]!r}"
        for key in sorted(others)
        if _letters(key) in missing
    )


def _letters(key: str) -> str:
    return re.sub("[^a-z]", "", key.lower())
