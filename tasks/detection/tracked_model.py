"""A detector that tracks its objects through a video, and counts them at lines and in zones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from visus.tasks.detection.areas import Area
from visus.tasks.detection.counting import LineCounter, TrackedObject, ZoneCounter
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.model import Model
from visus.vision.model_wrapper import StatefulModel
from visus.vision.prediction import Prediction
from visus.vision.tracking import BoxTracker

_USUAL_RATE = 25.0
"""Frames per second of a source whose frames have no time and whose rate is unknown."""


class TrackedModel(StatefulModel):
    """A detector that assigns track numbers to its objects from frame to frame.

    Args:
        model: The detector.
        rate: Frames per second of frames without a time; 0 if unknown.
        lines: Lines at which tracks are counted.
        zones: Zones in which they are counted.
    """

    def __init__(
        self,
        model: Model,
        rate: float = 0.0,
        lines: Sequence[Area] = (),
        zones: Sequence[Area] = (),
    ) -> None:
        super().__init__(model)
        self._tracker = BoxTracker()
        self._interval = 1 / (rate or _USUAL_RATE)
        self._now = -self._interval
        age = self._tracker.max_age
        self._lines = [LineCounter(line, age) for line in lines]
        self._zones = [ZoneCounter(zone, age) for zone in zones]
        self._latest: DetectionPrediction | None = None

    def apply_state(self, prediction: Prediction, time: float | None = None) -> DetectionPrediction:
        """The detections of confirmed tracks with their track numbers, and the counts.

        Detections with a low score that continue a track remain below the threshold: they keep the
        track, and are not reported.
        """
        prediction = self.model.apply_state(prediction, time)
        assert isinstance(prediction, DetectionPrediction)
        self._now = self._now + self._interval if time is None else time
        numbers = self._tracker.update(
            prediction.boxes,
            prediction.scores,
            prediction.class_ids,
            prediction.threshold,
            self._now,
        )
        confirmed = np.flatnonzero(numbers)
        tracked = replace(prediction.select(confirmed), tracks=numbers[confirmed])
        if self._lines or self._zones:
            objects, size, now = _objects(tracked), tracked.size, self._now
            tracked = replace(
                tracked,
                lines=tuple(line.update(objects, size, now) for line in self._lines),
                zones=tuple(zone.update(objects, size, now) for zone in self._zones),
            )
        self._latest = tracked
        return tracked

    def closing(self) -> list[str]:
        """One line on each line and each zone, after the last frame."""
        if self._latest is None:
            return []
        lines = [line.summary() for line in self._latest.lines]
        entered = [
            f"{zone.name} {sum(zone.entered.values())} entered" for zone in self._latest.zones
        ]
        return lines + entered


def _objects(prediction: DetectionPrediction) -> list[TrackedObject]:
    """The tracked objects with their foot points."""
    assert prediction.tracks is not None
    objects = []
    for i, (x1, y1, x2, y2) in enumerate(prediction.boxes.tolist()):
        size = max(1.0, ((x2 - x1) * (y2 - y1)) ** 0.5)
        foot = ((x1 + x2) / 2, y2)
        objects.append(TrackedObject(int(prediction.tracks[i]), prediction.label(i), foot, size))
    return objects
