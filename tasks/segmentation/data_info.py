"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo
from visus.vision.colours import Colour


@dataclass(frozen=True, kw_only=True)
class SegmentationInfo(InputInfo):
    """The properties of the data that a segmenter depends on.

    Attributes:
        class_counts: Training pixels of each class; None where they are not counted.
        class_colours: Colour of each class in drawings, (red, green, blue); None for generated
            colours.
        mirrors: Whether the mirror image of an object belongs to the same class.
    """

    class_counts: tuple[int, ...] | None = None
    class_colours: tuple[Colour, ...] | None = None
    mirrors: bool = True
