"""Count the tracks that cross lines and that stay in zones, frame by frame."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from visus.tasks.detection.areas import Area, Point, segments_meet, side_of
from visus.tasks.detection.counts import LineCount, Stay, ZoneCount

_MARGIN = 0.1
"""Distance from a border, in sizes of the object (the root of its box's area), up to which it is on
the side where it was: inaccurate boxes of an object on the border would be counted again and again.
"""

_HELD_SECONDS = 1.0
"""How long a track without a detection remains inside a zone."""


@dataclass(frozen=True)
class TrackedObject:
    """An object in one frame.

    Attributes:
        track: The track number.
        label: Its class.
        foot: The middle of the box's lower side, (x, y) in pixels: where it stands.
        size: The root of the box's area in pixels.
    """

    track: int
    label: str
    foot: Point
    size: float


@dataclass
class _Place:
    """Where a track was last clearly on one side.

    Attributes:
        side: -1 or 1; 0 while it has not been clear.
        foot: Where that was.
        seen: Time of the last detection in seconds.
        label: Class of the track.
        since: Time at which it entered, in seconds; None while it is outside.
        entered: Whether it has been inside.
    """

    side: int
    foot: Point
    seen: float
    label: str
    since: float | None = None
    entered: bool = False


class _AreaCounter(ABC):
    """Follows the tracks of one area.

    Args:
        area: The line or the zone.
        max_age: Seconds without a detection after which a track has ended.
    """

    def __init__(self, area: Area, max_age: float) -> None:
        self.area = area
        self._max_age = max_age
        self._places: dict[int, _Place] = {}
        self._size = (0, 0)
        self._points: tuple[Point, ...] = ()

    def _follow(self, objects: Iterable[TrackedObject], size: tuple[int, int], time: float) -> None:
        """Update the places of the tracks, and forget those that have ended."""
        if size != self._size:
            self._size, self._points = size, self.area.in_pixels(size)
        for item in objects:
            distance = self._distance(item.foot)
            side = 0 if abs(distance) < _MARGIN * item.size else 1 if distance > 0 else -1
            place = self._places.setdefault(item.track, _Place(0, item.foot, time, item.label))
            self._move(place, item, side, distance, time)
            place.seen = time
            if side:
                place.side, place.foot = side, item.foot
        self._places = {
            track: place
            for track, place in self._places.items()
            if time - place.seen <= self._max_age
        }

    @abstractmethod
    def _distance(self, foot: Point) -> float:
        """Signed distance of a point from the border in pixels."""

    @abstractmethod
    def _move(
        self, place: _Place, item: TrackedObject, side: int, distance: float, time: float
    ) -> None:
        """Compare an object with its last place.

        Args:
            place: The last place.
            item: The object.
            side: Its present side; 0 near the border.
            distance: Of `_distance`.
            time: In seconds.
        """


class LineCounter(_AreaCounter):
    """Counts the tracks whose foot point crosses a line, in both directions; see `_AreaCounter`."""

    def __init__(self, area: Area, max_age: float) -> None:
        super().__init__(area, max_age)
        self._entered: Counter[str] = Counter()
        self._left: Counter[str] = Counter()

    def update(
        self, objects: Iterable[TrackedObject], size: tuple[int, int], time: float
    ) -> LineCount:
        """Include the objects of the next frame.

        Args:
            objects: The tracked objects.
            size: (height, width) of the frame in pixels.
            time: Time of the frame in seconds.

        Raises:
            VisusError: If the line lies outside the frame.
        """
        self._follow(objects, size, time)
        return LineCount(self.area.name, self._points, dict(self._entered), dict(self._left))

    def _distance(self, foot: Point) -> float:
        return side_of(foot, self._points[0], self._points[1])

    def _move(
        self, place: _Place, item: TrackedObject, side: int, distance: float, time: float
    ) -> None:
        if side * place.side < 0 and segments_meet(
            place.foot, item.foot, self._points[0], self._points[1]
        ):
            (self._entered if side < 0 else self._left)[place.label] += 1


class ZoneCounter(_AreaCounter):
    """Counts the tracks whose foot point is inside a zone, and their time; see `_AreaCounter`."""

    def __init__(self, area: Area, max_age: float) -> None:
        super().__init__(area, max_age)
        self._entered: Counter[str] = Counter()

    def update(
        self, objects: Iterable[TrackedObject], size: tuple[int, int], time: float
    ) -> ZoneCount:
        """Include the objects of the next frame; see `LineCounter.update`."""
        self._follow(objects, size, time)
        stays = [
            Stay(track, place.label, time - place.since)
            for track, place in self._places.items()
            if place.since is not None and time - place.seen <= _HELD_SECONDS
        ]
        stays.sort(key=lambda stay: -stay.seconds)
        return ZoneCount(self.area.name, self._points, tuple(stays), dict(self._entered))

    def _distance(self, foot: Point) -> float:
        corners = np.array(self._points, np.float32)
        return float(cv2.pointPolygonTest(corners, foot, measureDist=True))

    def _move(
        self, place: _Place, item: TrackedObject, side: int, distance: float, time: float
    ) -> None:
        if not side and not place.side:
            # First seen near the border.
            side = 1 if distance >= 0 else -1
            place.side = side
        if side > 0 and place.since is None:
            place.since = time
            if not place.entered:
                place.entered = True
                self._entered[place.label] += 1
        elif side < 0:
            place.since = None
