"""Lines and zones in the image, as `--line` and `--zone` describe them."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite

from visus.vision.errors import VisusError

Point = tuple[float, float]
"""(x, y)."""


@dataclass(frozen=True)
class Area:
    """A line or a zone.

    Attributes:
        option: `--line` or `--zone`.
        name: Its name in drawings and in JSON; empty until `named_areas` gives it one.
        points: The two ends of a line, or the corners of a zone.
        relative: Whether the coordinates are fractions of the image's width and height.
    """

    option: str
    name: str
    points: tuple[Point, ...]
    relative: bool

    def in_pixels(self, size: tuple[int, int]) -> tuple[Point, ...]:
        """The points in pixels of an image.

        Args:
            size: (height, width) of the image.

        Raises:
            VisusError: If a point lies outside the image.
        """
        height, width = size
        if self.relative:
            return tuple((x * width, y * height) for x, y in self.points)
        for x, y in self.points:
            if x > width or y > height:
                raise VisusError(
                    f"{self.option} {self.name}: the point {x:g},{y:g} lies outside the image of "
                    f"{width} x {height} pixels; coordinates are x,y in its pixels, or fractions "
                    "from 0 to 1"
                )
        return self.points


def parse_line(text: str) -> Area:
    """A line such as `100,200,300,200` or `door=0.2,0.5,0.8,0.5`.

    Raises:
        argparse.ArgumentTypeError: If it has not two different points.
    """
    area = _parse("--line", text)
    if len(area.points) != 2:
        raise ArgumentTypeError(
            f"{text!r} has {2 * len(area.points)} coordinates; a line has four, x1,y1,x2,y2"
        )
    if area.points[0] == area.points[1]:
        raise ArgumentTypeError(f"{text!r} begins and ends at one point; write two different ones")
    return area


def parse_zone(text: str) -> Area:
    """A zone such as `0,0,100,0,100,80` or `hall=0,0.5,1,0.5,1,1,0,1`.

    Raises:
        argparse.ArgumentTypeError: If it has fewer than three corners, no area, or crosses itself.
    """
    area = _parse("--zone", text)
    if len(area.points) < 3:
        raise ArgumentTypeError(
            f"{text!r} has {len(area.points)} points; a zone has at least three, x1,y1,x2,y2,x3,y3"
        )
    if len(set(area.points)) < len(area.points):
        raise ArgumentTypeError(f"{text!r} has a point twice; write each corner once")
    sides = list(zip(area.points, (*area.points[1:], area.points[0]), strict=True))
    for (i, first), (j, second) in combinations(enumerate(sides), 2):
        neighbours = j - i == 1 or (i, j) == (0, len(sides) - 1)
        if not neighbours and segments_meet(*first, *second):
            raise ArgumentTypeError(
                f"{text!r}: sides {i + 1} and {j + 1} cross; write the corners in their order "
                "around the zone"
            )
    if abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in sides)) < 1e-9:
        raise ArgumentTypeError(f"{text!r}: all points lie on one line; a zone has an area")
    return area


def named_areas(areas: Sequence[Area]) -> tuple[Area, ...]:
    """Areas of one option, each with a name: `line1`, `line2` where none was given.

    Raises:
        VisusError: If two have the same name.
    """
    named = [
        replace(area, name=area.name or f"{area.option.removeprefix('--')}{i}")
        for i, area in enumerate(areas, 1)
    ]
    for first, second in combinations(named, 2):
        if first.name == second.name:
            raise VisusError(
                f"{first.option}: two are named {first.name!r}; give each a name of its own"
            )
    return tuple(named)


def side_of(point: Point, start: Point, end: Point) -> float:
    """Distance of a point from a straight line, negative on its left, seen from start to end."""
    across = (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (
        point[0] - start[0]
    )
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    return float(across / length)


def segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments from a to b and from c to d have a point in common."""
    if a == b or c == d:
        return False
    sides = side_of(c, a, b), side_of(d, a, b), side_of(a, c, d), side_of(b, c, d)
    if sides == (0, 0, 0, 0):
        return all(
            max(min(a[k], b[k]), min(c[k], d[k])) <= min(max(a[k], b[k]), max(c[k], d[k]))
            for k in (0, 1)
        )
    return sides[0] * sides[1] <= 0 and sides[2] * sides[3] <= 0


def _parse(option: str, text: str) -> Area:
    """The name and the points of an area."""
    name, equals, coordinates = text.rpartition("=")
    if equals and not name.strip():
        raise ArgumentTypeError(f"{text!r} has no name before '='; write NAME=x1,y1,x2,y2")
    values = []
    for word in coordinates.split(","):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or value < 0:
            raise ArgumentTypeError(
                f"{text!r}: {word!r} is not a coordinate; write numbers from 0, x1,y1,x2,y2"
            )
        values.append(value)
    if len(values) % 2:
        raise ArgumentTypeError(f"{text!r} has {len(values)} coordinates; each point has two, x,y")
    points = tuple(zip(values[::2], values[1::2], strict=True))
    return Area(option, name.strip(), points, max(values) <= 1)
