"""How many tracks crossed a line, and which ones are inside a zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visus.tasks.detection.areas import Point


@dataclass(frozen=True)
class LineCount:
    """The tracks that have crossed a line since the beginning.

    Attributes:
        name: The line's name.
        points: Its two ends, (x, y) in pixels.
        entered: For each class the number of tracks that arrived on its left, seen from the first
            end to the second.
        left: For each class the number that arrived on its right.
    """

    name: str
    points: tuple[Point, ...]
    entered: Mapping[str, int]
    left: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """`{"name", "points", "in": {label: number}, "out": {label: number}}`."""
        return {
            "name": self.name,
            "points": _rounded(self.points),
            "in": dict(self.entered),
            "out": dict(self.left),
        }

    def summary(self) -> str:
        """Both numbers in words."""
        return f"{self.name} {sum(self.entered.values())} in, {sum(self.left.values())} out"


@dataclass(frozen=True)
class Stay:
    """A track inside a zone.

    Attributes:
        track: The track number.
        label: Its class.
        seconds: How long it has been inside.
    """

    track: int
    label: str
    seconds: float


@dataclass(frozen=True)
class ZoneCount:
    """The tracks inside a zone, and how many have entered it since the beginning.

    Attributes:
        name: The zone's name.
        points: Its corners, (x, y) in pixels.
        stays: The tracks inside, the longest first.
        entered: For each class the number of tracks that have been inside.
    """

    name: str
    points: tuple[Point, ...]
    stays: tuple[Stay, ...]
    entered: Mapping[str, int]

    @property
    def inside(self) -> dict[str, int]:
        """For each class the number of tracks inside."""
        labels = [stay.label for stay in self.stays]
        return {label: labels.count(label) for label in dict.fromkeys(labels)}

    def to_json(self) -> dict[str, Any]:
        """`{"name", "points", "inside": {label: number}, "entered": {...}, "stays": [...]}`.

        Each stay is `{"track", "label", "seconds"}`.
        """
        stays = [
            {"track": stay.track, "label": stay.label, "seconds": round(stay.seconds, 3)}
            for stay in self.stays
        ]
        return {
            "name": self.name,
            "points": _rounded(self.points),
            "inside": self.inside,
            "entered": dict(self.entered),
            "stays": stays,
        }

    def summary(self) -> str:
        """The numbers and the longest stay in words."""
        longest = f", longest {self.stays[0].seconds:.0f} s" if self.stays else ""
        entered = sum(self.entered.values())
        return f"{self.name} {len(self.stays)} inside{longest}, {entered} entered"


def _rounded(points: tuple[Point, ...]) -> list[list[float]]:
    return [[round(x, 2), round(y, 2)] for x, y in points]
