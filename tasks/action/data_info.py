"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo


@dataclass(frozen=True, kw_only=True)
class ActionInfo(InputInfo):
    """The properties of the data that a network for clips depends on.

    Attributes:
        frames: Number of frames of a window, which the network sees at once.
        seconds: Duration of a window; its frames are `seconds / frames` apart.
        multi_label: Whether a clip may have several labels.
    """

    frames: int
    seconds: float
    multi_label: bool = False
