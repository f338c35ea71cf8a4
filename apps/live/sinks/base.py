"""Where frames go."""

from abc import ABC, abstractmethod

from visus.vision.frames import Frame
from visus.vision.images import Pixels


class Sink(ABC):
    """Takes frames that are drawn on."""

    @abstractmethod
    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """Take one; returns False when the user wants to stop."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun."""
