"""Predict for the images of a call, and what follows each prediction."""

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from visus.apps.live.batches import in_batches, predict_batch
from visus.apps.python.results import Result
from visus.tasks.options import Session
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.prediction import Prediction


class ResultStream(Iterator[Result]):
    """The results for a source, one after the other; leaving the loop closes the source.

    Args:
        results: The results; returns the lines on the source as a whole.

    Attributes:
        summary: Once the source has ended, lines on it as a whole, as `visus predict` prints them:
            the caption of a clip (`summary=True`), its actions, the objects that crossed a line.
    """

    def __init__(self, results: Generator[Result, None, list[str]]) -> None:
        self._results = results
        self.summary: list[str] = []

    def __next__(self) -> Result:
        """The next result."""
        try:
            return next(self._results)
        except StopIteration as end:
            self.summary = end.value or self.summary
            raise StopIteration from None

    def close(self) -> None:
        """Close the source."""
        self._results.close()


def predict_frames(
    session: Session, frames: Iterator[Frame], size: int, tolerant: bool
) -> Generator[tuple[Frame, Prediction], None, None]:
    """Predict for frames, and call what a session calls with each prediction.

    Args:
        session: The model with the options of the call.
        frames: The images.
        size: Number of images in a batch.
        tolerant: Whether an image that does not suit the model is left out with a warning.

    Yields:
        Each frame, concealed where the options say so, with its prediction.

    Raises:
        ValueError: If an image is not one for the model.
        VisusError: If an image does not suit the model, and `tolerant` is not set.
    """
    with closing(in_batches(frames, size)) as batches:
        for batch in batches:
            for frame, prediction in _predicted(session.model, batch, tolerant):
                prediction = session.model.apply_state(prediction, frame.time)
                frame = session.concealed(frame, prediction)
                for watch in session.watchers:
                    watch(frame, prediction)
                yield frame, prediction


def _predicted(
    model: Model, batch: Sequence[Frame], tolerant: bool
) -> Iterator[tuple[Frame, Prediction]]:
    """The predictions of a batch; without those of images that do not suit the model."""
    try:
        predictions = predict_batch(model, batch)
    except VisusError:
        # One of them; the others of its batch are predicted.
        for frame in batch:
            try:
                yield frame, model.predict_frame(frame)
            except VisusError as error:
                if not tolerant:
                    raise VisusError(f"{frame.source}: {error}") from None
                warnings.warn(f"{frame.source}: {error}", stacklevel=2)
        return
    yield from zip(batch, predictions, strict=True)
