"""Multi-object tracking by ByteTrack's matching (Zhang et al. 2022), with times in seconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from visus.vision.boxes import box_iou
from visus.vision.motion import BoxMotion

_MIN_IOU = 0.3
"""Minimum IoU of a track's predicted box and a detection with a high score."""

_MIN_IOU_LOW_SCORE = 0.5
"""Minimum IoU of a track's predicted box and a detection with a low score."""

_MIN_SCORE = 0.1
"""Detections with a lower score are not used."""

_GATE = 3.0
"""Largest distance of a detection from the predicted position, in standard deviations."""

_TOLERANCE, _TOLERANCE_HIDDEN = 0.2, 0.4
"""Standard deviation of a detected centre in sizes of the box: of a visible object, and of one that
was hidden, whose box may still be cut off."""

_MIN_AREA_RATIO, _MAX_AREA_RATIO = 0.2, 2.5
"""Range of the areas of a detection, relative to the predicted box."""

_LOW_SCORE_NOISE = 3.0
"""Factor of the measurement noise of low scores, whose objects are partly hidden."""

_IMPOSSIBLE = 1e6
"""Cost of a pair that may not be matched."""


@dataclass(eq=False)
class _Track:
    """A tracked object.

    Attributes:
        number: The track number; 0 until the track is confirmed.
        class_id: Class of its first detection.
        motion: Where it is, and how it moves.
        hits: Number of frames with a matched detection.
        missed: Number of frames since the last one.
    """

    number: int
    class_id: int
    motion: BoxMotion
    hits: int = 1
    missed: int = 0


Cost = Callable[[Sequence[_Track], NDArray[np.integer]], NDArray[np.float64]]
"""From tracks and the indices of detections to the cost of each pair, (tracks, detections)."""


class BoxTracker:
    """Tracks the boxes of one video from frame to frame.

    Detections with a high score are matched with the tracks by IoU; detections with a low score,
    which other trackers discard, then continue tracks whose object is partly hidden. What remains
    is matched by its distance from the predicted position. A track that was lost is continued by a
    new one that begins where the lost one is expected by then.

    Args:
        max_age: Seconds without a matched detection after which a track ends. A track of the
            previous frame never ends before the next one, however much later that is.
        min_hits: Frames with a matched detection before a track is confirmed and has a number.
    """

    def __init__(self, max_age: float = 3.0, min_hits: int = 2) -> None:
        self.max_age = max_age
        self.min_hits = min_hits
        self._tracks: list[_Track] = []
        self._next_number = 1
        self._now: float | None = None
        self._boxes: NDArray[np.floating] = np.zeros((0, 4))
        self._class_ids: NDArray[np.integer] = np.zeros(0, int)

    def update(
        self,
        boxes: NDArray[np.floating],
        scores: NDArray[np.floating],
        class_ids: NDArray[np.integer],
        threshold: float,
        time: float,
    ) -> NDArray[np.int64]:
        """Match the detections of the next frame with the tracks.

        Args:
            boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels.
            scores: Shape (N,), 0 to 1.
            class_ids: Shape (N,); detections of different classes are never one object.
            threshold: Score from which a detection may start a track.
            time: Time of the frame in seconds; where it is before that of the last one, all tracks
                end.

        Returns:
            The track number of each detection, int64 of shape (N,); 0 for those without one.
        """
        first = self._now is None
        if self._now is not None and time <= self._now:
            # Two frames of the same time are in order; a stream that began again is another one.
            self._tracks = self._tracks if time == self._now else []
            time = self._now + 1e-6 if time == self._now else time
        self._now, self._boxes, self._class_ids = time, boxes, class_ids
        for track in self._tracks:
            track.missed += 1
        high = scores >= threshold
        low = np.flatnonzero(~high & (scores >= _MIN_SCORE))
        matches: dict[int, _Track] = {}
        visible = [track for track in self._tracks if track.missed == 1]
        hidden = [
            track
            for track in self._tracks
            if track.missed > 1 and track.number and time - track.motion.time <= self.max_age
        ]
        rest: NDArray[np.integer] = np.flatnonzero(high)
        rest, visible = self._match(visible, rest, self._overlap, matches, 1 - _MIN_IOU)
        confirmed = [track for track in visible if track.number]
        limit = 1 - _MIN_IOU_LOW_SCORE
        _, missing = self._match(confirmed, low, self._overlap, matches, limit, _LOW_SCORE_NOISE)
        visible = [track for track in visible if not track.number] + missing
        rest, hidden = self._match(hidden, rest, self._overlap, matches, 1 - _MIN_IOU)
        rest, _ = self._match(visible, rest, self._distance, matches, _GATE)
        for i in rest.tolist():
            matches[i] = _Track(0, int(class_ids[i]), BoxMotion(boxes[i], time))
            self._tracks.append(matches[i])
        self._confirm(matches, hidden, 1 if first else self.min_hits)
        self._tracks = [track for track in self._tracks if self._continues(track, time)]
        numbers = np.zeros(len(boxes), np.int64)
        for i, track in matches.items():
            numbers[i] = track.number
        return numbers

    def lost(self, seconds: float) -> NDArray[np.float64]:
        """Where the objects without a detection in the last frame were seen, and are expected.

        Args:
            seconds: Largest time since the last detection.

        Returns:
            One box for each, around both places; shape (N, 4), (x1, y1, x2, y2) in pixels.
        """
        now = self._now or 0.0
        boxes = [
            (track.motion.predict(track.motion.time)[0], track.motion.predict(now, hidden=True)[0])
            for track in self._tracks
            if track.missed and now - track.motion.time <= seconds
        ]
        pairs = np.array(boxes).reshape(-1, 2, 4)
        return np.concatenate([pairs[:, :, :2].min(1), pairs[:, :, 2:].max(1)], axis=1)

    def _continues(self, track: _Track, time: float) -> bool:
        # An object that was detected only once may be a false positive.
        if not track.missed:
            return True
        return bool(track.number) and time - track.motion.time <= self.max_age

    def _confirm(self, matches: dict[int, _Track], hidden: Sequence[_Track], min_hits: int) -> None:
        """Number the tracks with enough hits: as a lost one where they continue it."""
        new = {i: t for i, t in matches.items() if not t.number and t.hits >= min_hits}
        continued: dict[int, _Track] = {}
        self._match(hidden, np.array(list(new), int), self._distance, continued, _GATE)
        for i, track in sorted(new.items()):
            if i in continued:
                lost = continued[i]
                # The lost track has been updated; the new one is dropped.
                self._tracks.remove(track)
                matches[i] = lost
            else:
                track.number = self._next_number
                self._next_number += 1

    def _match(
        self,
        tracks: Sequence[_Track],
        indices: NDArray[np.integer],
        cost: Cost,
        matches: dict[int, _Track],
        limit: float,
        noise: float = 1.0,
    ) -> tuple[NDArray[np.integer], list[_Track]]:
        """Assign detections to tracks at the smallest total cost, and update the tracks.

        Returns:
            The indices and the tracks that remain.
        """
        if not len(indices) or not tracks:
            return indices, list(tracks)
        costs = cost(tracks, indices)
        classes = np.array([track.class_id for track in tracks])
        different = classes[:, None] != self._class_ids[indices]
        costs = np.where(different | (costs > limit), _IMPOSSIBLE, costs)
        rows, columns = linear_sum_assignment(costs)
        pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _IMPOSSIBLE]
        assert self._now is not None
        for row, column in pairs:
            track, i = tracks[row], int(indices[column])
            track.motion.update(self._boxes[i], self._now, noise)
            track.hits += 1
            track.missed = 0
            matches[i] = track
        matched = {row for row, _ in pairs}
        rest = np.delete(indices, [column for _, column in pairs])
        return rest, [track for row, track in enumerate(tracks) if row not in matched]

    def _predicted(
        self, tracks: Sequence[_Track]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (tracks, 4) and standard deviations (tracks,) of their positions in pixels."""
        assert self._now is not None
        pairs = [track.motion.predict(self._now, track.missed > 1) for track in tracks]
        return np.array([box for box, _ in pairs]), np.array([deviation for _, deviation in pairs])

    def _overlap(
        self, tracks: Sequence[_Track], indices: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """One minus the IoU of each pair."""
        return 1 - box_iou(self._predicted(tracks)[0], self._boxes[indices])

    def _distance(
        self, tracks: Sequence[_Track], indices: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """The distance of each pair's centres in standard deviations."""
        predicted, deviations = self._predicted(tracks)
        boxes = self._boxes[indices].astype(np.float64)
        centres, others = ((b[:, :2] + b[:, 2:]) / 2 for b in (predicted, boxes))
        areas, other_areas = (
            np.maximum((b[:, 2:] - b[:, :2]).prod(1), 1) for b in (predicted, boxes)
        )
        tolerance = [_TOLERANCE_HIDDEN if t.missed > 1 else _TOLERANCE for t in tracks]
        deviations = np.hypot(deviations, np.array(tolerance) * np.sqrt(areas))
        distances = np.linalg.norm(centres[:, None] - others[None], axis=-1) / deviations[:, None]
        ratios = other_areas[None] / areas[:, None]
        similar = (ratios >= _MIN_AREA_RATIO) & (ratios <= _MAX_AREA_RATIO)
        return np.where(similar, distances, np.inf)
