"""Multi-object tracking by ByteTrack's matching (Zhang et al. 2022)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.boxes import box_iou

_MIN_IOU = 0.2
"""Minimum IoU of a track's predicted box and a detection with a high score."""

_MIN_IOU_LOW_SCORE = 0.5
"""Minimum IoU of a track's predicted box and a detection with a low score."""

_MIN_SCORE = 0.1
"""Detections with a lower score are not used."""

_GAIN = 0.5
"""Weight of a new measurement in a track's velocity, 0 to 1."""


@dataclass
class _Track:
    """A tracked object.

    Attributes:
        number: The track number.
        box: Its last or predicted box, float (4,) in pixels.
        velocity: Pixels per frame of the four sides, float (4,).
        class_id: Class of its first detection.
        hits: Number of frames with a matched detection.
        age: Number of frames since the last matched detection.
    """

    number: int
    box: NDArray[np.float64]
    velocity: NDArray[np.float64]
    class_id: int
    hits: int = 1
    age: int = 0


class Tracker:
    """Tracks objects through the frames of one video.

    Detections with a high score are matched with the tracks first. Detections with a low score,
    which other trackers discard, then continue tracks whose object is partly hidden. The position
    in the next frame is predicted from a constant velocity of the box's sides.

    Args:
        max_age: Frames without a matched detection after which a track ends.
        min_hits: Frames with a matched detection before a track is confirmed.
    """

    def __init__(self, max_age: int = 30, min_hits: int = 2) -> None:
        self.max_age = max_age
        self.min_hits = min_hits
        self._tracks: list[_Track] = []
        self._next_number = 1
        self._frames = 0

    def update(self, prediction: DetectionPrediction) -> DetectionPrediction:
        """Match the detections of the next frame with the tracks.

        Args:
            prediction: All detections, including those below the threshold.

        Returns:
            The detections of confirmed tracks with their track numbers. Those that a low score
            continued remain below the threshold: they keep the track, and are not reported.
        """
        self._frames += 1
        for track in self._tracks:
            track.box = track.box + track.velocity
            track.age += 1
        high = prediction.scores >= prediction.threshold
        low = ~high & (prediction.scores >= _MIN_SCORE)
        matches: dict[int, _Track] = {}
        unmatched = self._match(prediction, np.flatnonzero(high), self._tracks, _MIN_IOU, matches)
        # A low score continues a track; after a missed frame only a high score does.
        recent = [track for track in unmatched if track.age == 1]
        self._match(prediction, np.flatnonzero(low), recent, _MIN_IOU_LOW_SCORE, matches)
        for i in np.flatnonzero(high):
            if int(i) not in matches:
                matches[int(i)] = self._start_track(prediction, int(i))
        self._tracks = [
            track
            for track in self._tracks
            # An object that was detected only once may be a false positive.
            if track.age <= (self.max_age if track.hits >= self.min_hits else 0)
        ]
        # Nothing can be confirmed in the first frame.
        min_hits = 1 if self._frames == 1 else self.min_hits
        confirmed = sorted(i for i, track in matches.items() if track.hits >= min_hits)
        numbers = np.array([matches[i].number for i in confirmed], np.int64)
        selected = prediction.select(np.array(confirmed, np.int64))
        return replace(selected, tracks=numbers)

    def _match(
        self,
        prediction: DetectionPrediction,
        indices: NDArray[np.integer],
        tracks: list[_Track],
        min_iou: float,
        matches: dict[int, _Track],
    ) -> list[_Track]:
        """Assign detections to tracks with the largest total IoU; returns the unmatched tracks."""
        if len(indices) == 0 or not tracks:
            return tracks
        iou = box_iou(np.array([track.box for track in tracks]), prediction.boxes[indices])
        class_ids = np.array([track.class_id for track in tracks])
        iou[class_ids[:, None] != prediction.class_ids[indices]] = 0
        rows, columns = linear_sum_assignment(-iou)
        matched = set()
        for row, column in zip(rows, columns, strict=True):
            if iou[row, column] >= min_iou:
                self._update_track(tracks[row], prediction.boxes[indices[column]])
                matches[int(indices[column])] = tracks[row]
                matched.add(int(row))
        return [track for i, track in enumerate(tracks) if i not in matched]

    def _update_track(self, track: _Track, box: NDArray[np.float32]) -> None:
        error = (box.astype(np.float64) - track.box) / track.age
        track.velocity = track.velocity + _GAIN * error
        track.box = box.astype(np.float64)
        track.hits += 1
        track.age = 0

    def _start_track(self, prediction: DetectionPrediction, i: int) -> _Track:
        box = prediction.boxes[i].astype(np.float64)
        track = _Track(self._next_number, box, np.zeros(4), int(prediction.class_ids[i]))
        self._next_number += 1
        self._tracks.append(track)
        return track
