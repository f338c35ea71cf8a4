"""Labelled objects in images, as all formats of detection data sets are read into."""

from dataclasses import dataclass, field
from pathlib import Path

from visus.datamodules.core.problems import Problem

Box = tuple[float, float, float, float]
"""(x1, y1, x2, y2) in pixels, or in shares of the image's size where said so."""


@dataclass(frozen=True)
class LabelledObject:
    """One object.

    Attributes:
        label: The name of its class.
        box: In pixels of the labelled image.
        place: Where it stands: the file and the line or key.
        crowd: Whether it is a region of many objects: not learnt, and ignored in evaluation.
        difficult: Whether its labeller calls it hard to see: treated as a crowd.
        polygons: Outlines, each (x, y, x, y, ...), in the units of the box; empty where there
            are none.
        runs: COCO's run lengths of its mask instead; empty where there are none.
        area: Of the object's pixels, as the labels state it; None where they do not.
    """

    label: str
    box: Box
    place: str
    crowd: bool = False
    difficult: bool = False
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    area: float | None = None

    @property
    def ignored(self) -> bool:
        """Whether it is neither learnt nor counted."""
        return self.crowd or self.difficult

    @property
    def has_mask(self) -> bool:
        """Whether its pixels are known, not just its box."""
        return bool(self.polygons or self.runs)


@dataclass(frozen=True)
class LabelledImage:
    """One image and the objects in it.

    Attributes:
        path: The file.
        objects: None in an image that shows none.
        split: `train`, `val`, `test`, or empty where the data set states none.
        place: Where it is listed.
        declared: (height, width) that the labels state; None where they state none.
        relative: Whether boxes and polygons are shares of the image's size.
        content: `content_hash` of the file; empty before it is checked.
        size: (height, width) as it is read; (0, 0) before it is checked.
        upright: Whether it is read with its EXIF orientation applied.
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


@dataclass
class Labels:
    """What a format's reader found, nothing of it compared with the images yet.

    Attributes:
        images: In a fixed order.
        class_names: In the order of their ids.
        problems: What could not be read.
    """

    images: list[LabelledImage] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def error(self, place: str, message: str) -> None:
        """Note a problem that costs a sample or an object."""
        self.problems.append(Problem(place, message, "error"))

    def warn(self, place: str, message: str) -> None:
        """Note what may surprise."""
        self.problems.append(Problem(place, message, "warning"))

    def fatal(self, place: str, message: str) -> None:
        """Note a problem that costs a whole file."""
        self.problems.append(Problem(place, message, "fatal"))


def is_number(value: object) -> bool:
    """Whether a value is a finite number of a size that coordinates can have."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # False for NaN too; exact for whole numbers that no float can hold.
    return abs(value) < 1e9
