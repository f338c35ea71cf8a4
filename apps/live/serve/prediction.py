"""From the bytes of an image to the body of its answer."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2

from visus.apps.drawing import draw_prediction
from visus.apps.live.serve.answers import to_json
from visus.tasks.options import Session
from visus.tasks.registry import task_spec
from visus.vision.decoding.formats import declared_pixels
from visus.vision.drawing.grid import to_bgr
from visus.vision.frames import Frame
from visus.vision.images import Pixels, read_image
from visus.vision.model import Model
from visus.vision.model_wrapper import detached
from visus.vision.prediction import Prediction

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]

_PIXELS_PER_BYTE = 1500
"""More is refused by the decoder."""

_THRESHOLD = "threshold"


@dataclass(eq=False)
class Upload:
    """An image that was sent.

    Attributes:
        data: The encoded image.
        name: The `source` in the answer.
        drawn: Whether the answer includes the annotated image, as `drawn`, a data URL.
        threshold: Instead of the model's own; None for that.
        seconds: Time of each stage.
    """

    data: bytes
    name: str
    drawn: bool = False
    threshold: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class Answer(NamedTuple):
    """The answer to an image: JSON, and the seconds of each stage."""

    body: bytes
    seconds: dict[str, float]


def pixels_of(upload: Upload, harmless: int) -> int:
    """The number of pixels that an image declares; 0 where they cannot be more than `harmless`.

    Raises:
        VisusError: If it is not an image.
    """
    if len(upload.data) * _PIXELS_PER_BYTE < harmless:
        return 0
    return declared_pixels(upload.data)


def decode(upload: Upload) -> Pixels:
    """The image, uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it is not an image, or there is not enough memory.
    """
    start = time.perf_counter()
    image = read_image(upload.data)
    upload.seconds["decode"] = time.perf_counter() - start
    return image


def predict_uploads(
    session: Session, uploads: Sequence[Upload], images: Sequence[Pixels]
) -> list[Answer | Exception]:
    """The answer to each image, or the error that it caused.

    Args:
        session: The model, and what conceals parts of images.
        uploads: All with the same threshold.
        images: Their decoded images.
    """
    model = session.model
    if uploads[0].threshold is not None:
        model = detached(model)
        model.set_option(_THRESHOLD, uploads[0].threshold)
    start = time.perf_counter()
    predictions: Sequence[Prediction | Exception]
    try:
        predictions = model.predict_batch(images)
    except Exception as error:
        # One image may be the cause; the others are answered.
        predictions = [error] if len(images) == 1 else [_predict(model, each) for each in images]
    seconds = time.perf_counter() - start
    answers: list[Answer | Exception] = []
    for upload, image, prediction in zip(uploads, images, predictions, strict=True):
        upload.seconds["predict"] = seconds
        if isinstance(prediction, Exception):
            answers.append(prediction)
            continue
        try:
            answers.append(_answer(session, upload, image, prediction))
        except Exception as error:
            answers.append(error)
    return answers


def threshold_of(model: Model) -> float | None:
    """The score threshold of a model; None for a model of a task without that option."""
    options = task_spec(model.metadata.task).options
    if not any(option.name == _THRESHOLD for option in options):
        return None
    value = model.metadata.options.get(_THRESHOLD)
    return float(value) if isinstance(value, int | float) else None


def set_threshold(model: Model, value: float) -> None:
    """Set the score threshold of a model."""
    model.set_option(_THRESHOLD, value)


def to_jpeg(pixels: Pixels) -> bytes:
    """Encode an image.

    Args:
        pixels: uint8 RGB of shape (height, width, 3).
    """
    return cv2.imencode(".jpg", to_bgr(pixels), _JPEG)[1].tobytes()


def _predict(model: Model, image: Pixels) -> Prediction | Exception:
    try:
        return model.predict(image)
    except Exception as error:
        return error


def _answer(session: Session, upload: Upload, image: Pixels, prediction: Prediction) -> Answer:
    frame = Frame(image, upload.name, None, None, 0.0)
    entry = frame.to_json() | prediction.to_json()
    if upload.drawn:
        start = time.perf_counter()
        shown = image if session.conceal is None else session.conceal(image, prediction)
        pixels = base64.b64encode(to_jpeg(draw_prediction(shown, prediction))).decode()
        entry["drawn"] = f"data:image/jpeg;base64,{pixels}"
        upload.seconds["draw"] = time.perf_counter() - start
    return Answer(to_json(entry), upload.seconds)
