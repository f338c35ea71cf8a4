"""One image on its way from a source to a prediction."""

from dataclasses import dataclass
from typing import Protocol

from visus.vision.images import Pixels


@dataclass(frozen=True, eq=False)
class Frame:
    """One image on its way.

    Attributes:
        image: uint8 RGB of shape (height, width, 3); from a `.npy` file the array as it is.
        source: The file's or the camera's name.
        index: Number in its video or camera stream, from 0; None for a single image.
        time: Seconds since the start of the video or the stream; None for a single image.
        captured: `time.perf_counter()` when it was captured.
        note: Why the previous frame is repeated, on a live source that was interrupted.
    """

    image: Pixels
    source: str
    index: int | None
    time: float | None
    captured: float
    note: str = ""

    @property
    def number(self) -> str:
        """`-` and the index with six digits, for file names; empty for a single image."""
        return "" if self.index is None else f"-{self.index:06d}"


class SourceProperties(Protocol):
    """What a task may know of the source of frames.

    Attributes:
        still: Whether the frames are unrelated images.
        live: Whether frames that nobody takes in time are dropped.
        rate: Frames a second; 0 where it is unknown.
    """

    still: bool
    live: bool
    rate: float
