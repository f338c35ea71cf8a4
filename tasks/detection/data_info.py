"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo


@dataclass(frozen=True, kw_only=True)
class DetectionInfo(InputInfo):
    """The properties of the data that a detector depends on.

    Attributes:
        anchors: (width, height) in pixels of the anchors of Faster R-CNN, for each of five pyramid
            levels, finest first; None for the default anchors.
        masks: Whether instance masks are predicted as well (Mask R-CNN).
    """

    anchors: list[list[list[float]]] | None = None
    masks: bool = False
