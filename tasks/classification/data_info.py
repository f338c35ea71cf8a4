"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo


@dataclass(frozen=True, kw_only=True)
class ClassificationInfo(InputInfo):
    """The properties of the data that a classifier depends on.

    Attributes:
        multi_label: Whether an image may have several labels.
        class_counts: Number of training images of each class; None if unknown.
        mirrors: Whether the mirror image of an image belongs to the same class.
    """

    multi_label: bool = False
    class_counts: tuple[int, ...] | None = None
    mirrors: bool = True
