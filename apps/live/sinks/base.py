"""The interface of sinks."""

from abc import ABC, abstractmethod

from visus.vision.frames import Frame
from visus.vision.images import Pixels


class Sink(ABC):
    """Receives annotated frames."""

    @abstractmethod
    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """Receive a frame; returns False when the user wants to stop.

        Args:
            frame: The frame.
            drawn: Its image with the prediction, uint8 RGB.
        """

    def announce(self, note: str) -> bool:
        """Receive why a camera has no frame yet; returns as `show` does."""
        return True

    def written(self) -> str:
        """What was written where, such as `out.mp4: 20 frames`; empty for nothing."""
        return ""

    @abstractmethod
    def close(self) -> None:
        """Finish open files."""
