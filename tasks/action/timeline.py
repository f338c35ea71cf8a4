"""Labels of a whole clip, and of its parts, from the scores of overlapping windows."""

import csv
import io
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from visus.tasks.action.prediction import Segment


class Timeline:
    """Collects the scores of the windows that end with each sampled frame.

    Args:
        frames: Number of sampled frames of a window.
        interval: Seconds between two sampled frames.
        class_names: One name for each class id.
        multi_label: Whether there may be several labels at once.
    """

    def __init__(
        self, frames: int, interval: float, class_names: Sequence[str], multi_label: bool
    ) -> None:
        self.frames = frames
        self.interval = interval
        self.class_names = class_names
        self.multi_label = multi_label
        self._times: list[float] = []
        self._scores: list[NDArray[np.float32]] = []
        self._is_complete: list[bool] = []

    def add(self, time: float, scores: NDArray[np.float32], is_complete: bool) -> None:
        """Add a sampled frame.

        Args:
            time: Of the frame, in seconds.
            scores: Of the window that ends with it, shape (classes,).
            is_complete: Whether the window has all of its frames: not after the start or a gap.
        """
        self._times.append(time)
        self._scores.append(scores)
        self._is_complete.append(is_complete)

    def whole(self) -> NDArray[np.float32] | None:
        """The mean scores of all complete windows, shape (classes,); None without one."""
        pairs = zip(self._scores, self._is_complete, strict=True)
        complete = [scores for scores, is_complete in pairs if is_complete]
        return np.mean(complete, 0, dtype=np.float32) if complete else None

    def segments(self) -> list[Segment]:
        """Intervals with a label, in order; with several labels sorted by their start.

        The score of a moment is the mean over the windows that contain it, which smooths over the
        duration of a window. Intervals without a label, and pauses of the video, are left out.
        """
        segments = [found for part in self._parts() for found in self._segments(part)]
        return sorted(segments, key=lambda found: (found.start, found.label))

    def to_csv(self, end: float) -> str:
        """The segments as CSV: `start,end,label,score`, times in seconds.

        Args:
            end: Of the video, where the last segment ends at the latest.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("start", "end", "label", "score"))
        for part in self.segments():
            times = f"{part.start:.3f}", f"{min(part.end, max(end, part.start)):.3f}"
            writer.writerow((*times, part.label, f"{part.score:.4f}"))
        return text.getvalue()

    def _parts(self) -> list[slice]:
        """The sampled frames between which the video neither pauses nor steps back in time."""
        steps = np.diff(self._times)
        starts = np.flatnonzero(np.abs(steps - self.interval) > self.interval / 2) + 1
        ends = [0, *starts.tolist(), len(self._times)]
        return [slice(*pair) for pair in pairwise(ends) if pair[0] < pair[1]]

    def _segments(self, part: slice) -> list[Segment]:
        """The intervals with a label in one part."""
        smooth = self._smooth(part)
        if self.multi_label:
            present = smooth >= 0.5
        else:
            present = smooth.argmax(1)[:, None] == np.arange(smooth.shape[1])
        times = self._times[part]
        return [
            found
            for i in range(smooth.shape[1])
            for found in self._runs(present[:, i], smooth[:, i], times, i)
        ]

    def _smooth(self, part: slice) -> NDArray[np.float32]:
        """The scores of each sampled frame of a part, shape (frames, classes)."""
        scores = np.stack(self._scores[part])
        count = len(scores)
        first = min(self.frames, count) - 1
        return np.stack([scores[max(i, first) : i + self.frames].mean(0) for i in range(count)])

    def _runs(
        self,
        where: NDArray[np.bool_],
        scores: NDArray[np.float32],
        times: Sequence[float],
        index: int,
    ) -> list[Segment]:
        """The intervals in which a class is present."""
        runs = []
        position = 0
        for present, group in groupby(where):
            count = len(list(group))
            stop = position + count
            if present:
                start, end = times[position], times[stop - 1] + self.interval
                score = float(scores[position:stop].mean())
                runs.append(Segment(start, end, self.class_names[index], score))
            position = stop
        return runs


def label_of(
    scores: NDArray[np.float32], class_names: Sequence[str], multi_label: bool
) -> tuple[str, float]:
    """The class of highest score; with `multi_label` no label below a score of 0.5."""
    best = int(scores.argmax())
    if multi_label and scores[best] < 0.5:
        return "", float(scores[best])
    return class_names[best], float(scores[best])
