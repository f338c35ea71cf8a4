"""The objects of JSON Lines: a frame's origin and its prediction."""

from typing import Any

from visus.vision.frames import Frame
from visus.vision.prediction import Prediction


def to_entry(frame: Frame, prediction: Prediction) -> dict[str, Any]:
    """The JSON Lines object of one frame."""
    return place_of(frame) | prediction.to_json()


def place_of(frame: Frame) -> dict[str, Any]:
    """The origin of a frame, as JSON Lines have it: source, position in a video, size."""
    height, width = frame.image.shape[:2]
    entry: dict[str, Any] = {"source": frame.source}
    if frame.index is not None and frame.time is not None:
        entry |= {"frame": frame.index, "time": round(frame.time, 3)}
    return entry | {"width": width, "height": height}
