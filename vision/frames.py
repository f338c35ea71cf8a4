"""One image with its origin, and the properties of a source of images."""

from dataclasses import dataclass
from typing import Any, Protocol

from visus.vision.images import Pixels


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source.

    Attributes:
        image: uint8 RGB of shape (height, width, 3); the unchanged array of a `.npy` file.
        source: Name of the file or the camera.
        index: Index in its video or camera stream, from 0; None for a single image.
        time: Seconds since the start of the video or the stream; None for a single image.
        captured: `time.perf_counter()` at the time of capture.
        note: Why the previous frame is repeated, on a live source that was interrupted.
        duration: Seconds that the last frame of a video lasts; None for all others.
    """

    image: Pixels
    source: str
    index: int | None
    time: float | None
    captured: float
    note: str = ""
    duration: float | None = None

    @property
    def number(self) -> str:
        """Suffix of file names: `-` and the index with six digits; empty for a single image."""
        return "" if self.index is None else f"-{self.index:06d}"

    def to_json(self) -> dict[str, Any]:
        """Its origin, as JSON Lines have it: source, position in a video, width and height."""
        height, width = self.image.shape[:2]
        entry: dict[str, Any] = {"source": self.source}
        if self.index is not None and self.time is not None:
            entry |= {"frame": self.index, "time": round(self.time, 3)}
        return entry | {"width": width, "height": height}


class SourceProperties(Protocol):
    """Properties of a source of frames that matter to tasks.

    Attributes:
        still: Whether the frames are unrelated images.
        live: Whether frames that are not processed in time are dropped.
        rate: Frames per second; 0 if unknown.
    """

    still: bool
    live: bool
    rate: float
