"""A model for clips that runs on the frames of a video or a camera, one by one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.tasks.action.prediction import ActionPrediction, Segment, postprocess
from visus.tasks.action.timeline import label_of
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Batch, Model
from visus.vision.model_wrapper import ModelWrapper

OnStep = Callable[[float, NDArray[np.float32], bool], None]
"""Called with the time of a sampled frame, the scores of the window that ends with it, and whether
that window is complete."""

_RECENT = 10.0
"""Seconds of labels that a prediction holds."""

_TOLERANCE = 1e-3
"""Seconds by which timestamps may be rounded."""


class StreamingModel(ModelWrapper):
    """Samples the frames of a stream by their times, and predicts for the window up to now.

    The network runs once for each sampled frame, and keeps its state. The frames in between get the
    last prediction. After a gap of more than a window, or a step back in time, it starts anew.

    Args:
        model: A network for clips.
        on_step: See `OnStep`.
    """

    def __init__(self, model: Model, on_step: OnStep | None = None) -> None:
        super().__init__(model)
        options = model.metadata.options
        self.frames = int(options["frames"])
        self.seconds = float(options["seconds"])
        self.interval = self.seconds / self.frames
        self._on_step = on_step
        self._batch: Batch = np.zeros(0, np.uint8)
        self._was_complete = False
        self._geometry: Any = None
        self._restart(-math.inf)

    @property
    def workers(self) -> int:  # type: ignore[override]
        """One: a prediction depends on the frames before."""
        return 1

    def predict_image(self, image: Pixels) -> ActionPrediction:
        """Refused: a single image is not a clip.

        Raises:
            VisusError: Always.
        """
        raise still_image(self.name)

    def predict_frame(self, frame: Frame) -> ActionPrediction:
        """The prediction for the window up to a frame; see `Model.predict_frame`."""
        if frame.time is None:
            raise still_image(self.name)
        self._check(frame.image)
        behind = frame.time - self._due
        if not -self.interval - _TOLERANCE <= behind <= self.seconds:
            self._restart(frame.time)
        if frame.time + _TOLERANCE >= self._due:
            self._batch, self._geometry = self.model.preprocess(frame.image)
        # A source that is slower than the sampling repeats its frames.
        while frame.time + _TOLERANCE >= self._due:
            self._step()
        assert self._latest is not None
        return self._latest

    def complete_window(self) -> bool:
        """Repeat the last frame of a clip that is shorter than a window.

        Returns:
            Whether it was repeated.
        """
        missing = self.frames - self._steps if self._steps and not self._was_complete else 0
        for _ in range(missing):
            self._step()
        return missing > 0

    def _restart(self, due: float) -> None:
        """Forget all frames; the next one is sampled at the time `due`."""
        self._state = self.metadata.initial_state()
        self._due = due
        self._steps = 0
        self._latest: ActionPrediction | None = None

    def _step(self) -> None:
        """Run the network on the current frame."""
        outputs = self.model.run(self._batch, *self._state)
        self._state = outputs[len(outputs) - len(self._state) :]
        prediction = postprocess([outputs[0][0]], self._geometry, self.metadata)
        label, score = label_of(
            prediction.scores, self.metadata.class_names, prediction.multi_label
        )
        recent = self._latest.recent if self._latest is not None else ()
        now = Segment(self._due, self._due + self.interval, label, score)
        self._latest = replace(prediction, recent=_append(recent, now))
        self._steps += 1
        is_complete = self._steps >= self.frames
        self._was_complete |= is_complete
        if self._on_step is not None:
            self._on_step(self._due, prediction.scores, is_complete)
        self._due += self.interval


def _append(recent: tuple[Segment, ...], now: Segment) -> tuple[Segment, ...]:
    """Segments of the last seconds; one of the same label as the last continues it."""
    *earlier, last = recent or (now,)
    if last.label == now.label:
        parts = [*earlier, replace(last, end=now.end, score=now.score)]
    else:
        parts = [*earlier, last, now]
    begin = now.end - _RECENT
    return tuple(replace(p, start=max(p.start, begin)) for p in parts if p.end > begin)


def still_image(model: str) -> VisusError:
    """The error for an image in place of a clip."""
    return VisusError(
        f"{model}: recognises actions in videos, and a still image is not a clip; give a video or "
        "a camera"
    )
