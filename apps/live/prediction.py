"""Predictions for the frames of a loop: one by one, several at once in threads, or in batches."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import NamedTuple

from visus.apps.live.batches import in_batches, predict_batch
from visus.apps.live.cameras import Camera
from visus.apps.live.parallel import parallel_map
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.prediction import Prediction


class FrameResult(NamedTuple):
    """A frame with its prediction, or the reason for none; a repeated frame has neither."""

    camera: Camera
    frame: Frame
    prediction: Prediction | None
    problem: str
    seconds: float


def predict_frames(
    frames: Iterator[tuple[Camera, Frame]], workers: int
) -> Generator[FrameResult, None, None]:
    """Predict frame by frame, in `workers` threads."""
    with closing(parallel_map(_predict, frames, workers)) as results:
        yield from results


def predict_batches(
    camera: Camera, frames: Iterator[Frame]
) -> Generator[list[FrameResult], None, None]:
    """Predict in batches; a frame that cannot be predicted does not affect the others of its batch.

    Args:
        camera: The only camera.
        frames: Its frames.
    """
    with closing(in_batches(frames, camera.model.batch_size)) as batches:
        for batch in batches:
            start = time.perf_counter()
            try:
                predictions = predict_batch(camera.model, batch)
            except VisusError:
                yield [_predict((camera, frame)) for frame in batch]
                continue
            seconds = (time.perf_counter() - start) / len(batch)
            yield [
                FrameResult(camera, frame, prediction, "", seconds)
                for frame, prediction in zip(batch, predictions, strict=True)
            ]


def _predict(taken: tuple[Camera, Frame]) -> FrameResult:
    camera, frame = taken
    if frame.note:
        return FrameResult(camera, frame, None, "", 0.0)
    start = time.perf_counter()
    try:
        prediction = camera.model.predict_frame(frame)
    except VisusError as error:
        return FrameResult(camera, frame, None, str(error), 0.0)
    return FrameResult(camera, frame, prediction, "", time.perf_counter() - start)
