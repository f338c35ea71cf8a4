"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo
from visus.vision.metadata import ResizeMode


@dataclass(frozen=True, kw_only=True)
class FaceRecognitionInfo(InputInfo):
    """The properties of the data that face recognition depends on.

    Aligned faces are always RGB images of the input size, and people are not classes.

    Attributes:
        people_count: Number of people in the training split; None without training data.
    """

    class_names: tuple[str, ...] = ()
    in_channels: int = 3
    resize_mode: ResizeMode = "stretch"
    people_count: int | None = None
