"""Numbers that stay with objects from frame to frame: ByteTrack's rule (Zhang et al. 2022)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.boxes import box_iou

_LEAST_OVERLAP = 0.2
_LEAST_OVERLAP_OF_UNSURE = 0.5
_LEAST_SCORE = 0.1
_GAIN = 0.5
"""How fast a track's velocity follows what is seen: 0 never, 1 at once."""


@dataclass
class _Track:
    """An object that is followed.

    Attributes:
        number: What it is called.
        box: Where it was seen last, or is thought to be now, float (4,) in pixels.
        velocity: Pixels a frame of the four sides, float (4,).
        class_id: Of its first detection.
        seen: Frames in which it was seen.
        missed: Frames since it was seen last.
    """

    number: int
    box: NDArray[np.float64]
    velocity: NDArray[np.float64]
    class_id: int
    seen: int = 1
    missed: int = 0


class Tracker:
    """Follows objects through the frames of one video.

    Sure detections are matched with the tracks first; the unsure ones, which other trackers throw
    away, then keep alive tracks that are hidden for a while. Where an object will be is told by a
    constant velocity of its sides.

    Args:
        patience: Frames after which an object that is not seen is forgotten.
        confirm: Frames in which an object must be seen before it is given a number.
    """

    def __init__(self, max_age: int = 30, min_hits: int = 2) -> None:
        self.max_age = max_age
        self.min_hits = min_hits
        self._tracks: list[_Track] = []
        self._next = 1
        self._frames = 0

    def update(self, prediction: DetectionPrediction) -> DetectionPrediction:
        """Number the objects of the next frame.

        Args:
            prediction: All detections, also those below the threshold.

        Returns:
            The detections that belong to a confirmed track, with their numbers; those below the
            threshold are shown too where their track goes through them.
        """
        self._frames += 1
        for track in self._tracks:
            track.box = track.box + track.velocity
            track.missed += 1
        sure = prediction.scores >= prediction.threshold
        unsure = ~sure & (prediction.scores >= _LEAST_SCORE)
        owners: dict[int, _Track] = {}
        free = self._match(prediction, np.flatnonzero(sure), self._tracks, _LEAST_OVERLAP, owners)
        # What is hidden is unsure; what has been missing for longer must be sure to come back.
        recent = [track for track in free if track.missed == 1]
        self._match(prediction, np.flatnonzero(unsure), recent, _LEAST_OVERLAP_OF_UNSURE, owners)
        for i in np.flatnonzero(sure):
            if int(i) not in owners:
                owners[int(i)] = self._begin(prediction, int(i))
        self._tracks = [
            track
            for track in self._tracks
            # An object that was seen once only may have been a mistake.
            if track.missed <= (self.max_age if track.seen >= self.min_hits else 0)
        ]
        # In the first frame there is nothing to confirm by.
        least = 1 if self._frames == 1 else self.min_hits
        shown = sorted(i for i, track in owners.items() if track.seen >= least)
        numbers = np.array([owners[i].number for i in shown], np.int64)
        threshold = min([prediction.threshold, *prediction.scores[shown].tolist()])
        chosen = prediction.select(np.array(shown, np.int64))
        return replace(chosen, tracks=numbers, threshold=threshold)

    def _match(
        self,
        prediction: DetectionPrediction,
        indices: NDArray[np.integer],
        tracks: list[_Track],
        least: float,
        owners: dict[int, _Track],
    ) -> list[_Track]:
        """Give detections to tracks, the best overlaps in sum; returns the tracks left over."""
        if len(indices) == 0 or not tracks:
            return tracks
        places = np.array([track.box for track in tracks])
        overlaps = box_iou(places, prediction.boxes[indices])
        kinds = np.array([track.class_id for track in tracks])
        overlaps[kinds[:, None] != prediction.class_ids[indices]] = 0
        rows, columns = linear_sum_assignment(-overlaps)
        matched = set()
        for row, column in zip(rows, columns, strict=True):
            if overlaps[row, column] >= least:
                self._follow(tracks[row], prediction.boxes[indices[column]])
                owners[int(indices[column])] = tracks[row]
                matched.add(int(row))
        return [track for i, track in enumerate(tracks) if i not in matched]

    def _follow(self, track: _Track, box: NDArray[np.float32]) -> None:
        surprise = (box.astype(np.float64) - track.box) / track.missed
        track.velocity = track.velocity + _GAIN * surprise
        track.box = box.astype(np.float64)
        track.seen += 1
        track.missed = 0

    def _begin(self, prediction: DetectionPrediction, i: int) -> _Track:
        box = prediction.boxes[i].astype(np.float64)
        track = _Track(self._next, box, np.zeros(4), int(prediction.class_ids[i]))
        self._next += 1
        self._tracks.append(track)
        return track
