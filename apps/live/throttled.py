"""A model that predicts once a second, often enough for predictions that are read as text."""

from concurrent.futures import Future, ThreadPoolExecutor

from visus.vision.frames import SourceProperties
from visus.vision.images import Pixels
from visus.vision.model import Model, ModelWrapper
from visus.vision.prediction import Prediction

_SECONDS = 1.0
"""Interval between two predictions."""


class ThrottledModel(ModelWrapper):
    """A model that predicts once a second, and repeats its prediction for the frames in between.

    On a live source it predicts in a thread of its own, so that no frame waits for it.

    Args:
        model: The model.
        source: Properties of the source of the frames.
    """

    def __init__(self, model: Model, source: SourceProperties) -> None:
        super().__init__(model)
        self._live = source.live
        self._interval = max(1, round((source.rate or 25.0) * _SECONDS))
        self._until_next = 0
        self._latest: Prediction | None = None
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[Prediction] | None = None

    @property
    def workers(self) -> int:  # type: ignore[override]
        """One: the frames are counted."""
        return 1

    def predict_image(self, image: Pixels) -> Prediction:
        """The latest prediction; see `Model.predict`."""
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        if self._latest is None and self._running is None:
            # The first frame waits, so that there is always a prediction.
            self._latest = self.model.predict_image(image)
            self._until_next = self._interval
        elif self._until_next <= 0 and self._running is None:
            self._until_next = self._interval
            if self._live:
                self._running = self._pool.submit(self.model.predict_image, image.copy())
            else:
                self._latest = self.model.predict_image(image)
        self._until_next -= 1
        assert self._latest is not None
        return self._latest
