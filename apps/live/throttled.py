"""A model that predicts once a second, often enough for predictions that are read as text."""

import math
from concurrent.futures import Future, ThreadPoolExecutor

from visus.vision.frames import Frame, SourceProperties
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.model_wrapper import ModelWrapper
from visus.vision.prediction import Prediction

_SECONDS = 1.0
"""Interval between two predictions."""


class ThrottledModel(ModelWrapper):
    """A model that predicts once a second, and repeats its prediction for the frames in between.

    The second is one of the frames' own time. On a live source it predicts in a thread of its own,
    so that no frame waits for it.

    Args:
        model: The model.
        source: Properties of the source of the frames.
    """

    def __init__(self, model: Model, source: SourceProperties) -> None:
        super().__init__(model)
        self._live = source.live
        self._due = -math.inf
        self._latest: Prediction | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="throttled")
        self._running: Future[Prediction] | None = None

    @property
    def workers(self) -> int:  # type: ignore[override]
        """One: a prediction depends on the frames before."""
        return 1

    def predict_frame(self, frame: Frame) -> Prediction:
        """The latest prediction; see `Model.predict_frame`."""
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        time = self._due if frame.time is None else frame.time
        if self._latest is None and self._running is None:
            # The first frame waits, so that there is always a prediction.
            self._predict_now(frame.image, time)
        elif self._is_due(time) and self._running is None:
            if self._live:
                self._due = time + _SECONDS
                self._running = self._pool.submit(self.model.predict, frame.image.copy())
            else:
                self._predict_now(frame.image, time)
        assert self._latest is not None
        return self._latest

    def _is_due(self, time: float) -> bool:
        # Timestamps are rounded. A camera that was reopened starts anew.
        return time + 1e-3 >= self._due or time < self._due - _SECONDS

    def _predict_now(self, image: Pixels, time: float) -> None:
        self._latest = self.model.predict(image)
        self._due = time + _SECONDS
