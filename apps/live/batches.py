"""Batches of frames: several that a network computes in one run."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from visus.apps.live.prefetch import prefetch
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.prediction import Prediction

_BATCH_BYTES = 2**27
"""Bytes of decoded images from which a batch is full: large images come in smaller batches.

Up to three batches exist: one is predicted, one waits, and one is being collected.
"""


def in_batches(frames: Iterator[Frame], size: int) -> Generator[list[Frame], None, None]:
    """The frames in lists of at most `size`, and of fewer where they are large.

    A thread collects the next batch while this one is used. Where `frames` raises an error, the
    frames before it are returned first.

    Args:
        frames: The frames; to be closed after this generator.
        size: Number of frames; with 1 no thread is used, and no frame is taken before the previous
            one was used.
    """
    if size == 1:
        yield from ([frame] for frame in frames)
        return
    with closing(prefetch(_collected(frames, size))) as batches:
        yield from batches


def _collected(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    try:
        for frame in frames:
            batch.append(frame)
            if len(batch) == size or sum(each.image.nbytes for each in batch) >= _BATCH_BYTES:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def predict_batch(model: Model, batch: Sequence[Frame]) -> list[Prediction]:
    """Predict for frames that follow each other.

    Args:
        model: The model.
        batch: One frame, or up to `model.batch_size`.

    Raises:
        ValueError: As `Model.predict`.
        VisusError: As `Model.predict`.
    """
    if len(batch) == 1:
        return [model.predict_frame(batch[0])]
    return model.predict_batch([frame.image for frame in batch])
