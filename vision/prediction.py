"""The interface of all predictions: built from network outputs, printed, written as JSON."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Outputs = Sequence[NDArray[Any]]
"""A network's outputs for one image, without the batch dimension."""


class Prediction(Protocol):
    """The interface of every task's prediction.

    Attributes:
        task: Name of the task, such as `classification`.
    """

    task: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The task's part of a JSON Lines object."""
        ...

    def summary(self) -> str:
        """One line of text."""
        ...


@dataclass(frozen=True)
class Item:
    """One entry of a prediction: a detection, a face, a class, a caption.

    Attributes:
        label: The class, the person or the sentence; empty where there is none.
        score: 0 to 1; NaN where there is none.
        box: (x1, y1, x2, y2) in pixels of the image; None where the entry has no position.
        details: Further plain values by name, such as `track`.
    """

    label: str
    score: float
    box: tuple[float, float, float, float] | None = None
    details: Mapping[str, str | int | float] = field(default_factory=dict)


@runtime_checkable
class Itemised(Protocol):
    """A prediction that consists of entries, the most important first."""

    def items(self) -> list[Item]:
        """The entries that are reported."""
        ...


@runtime_checkable
class Selectable(Itemised, Protocol):
    """A prediction of separate objects, of which some can be selected."""

    def select(self, index: NDArray[np.integer]) -> Self:
        """The objects of these indices, in their order."""
        ...


@runtime_checkable
class Thresholded(Protocol):
    """A prediction that holds objects which are not reported."""

    def above_threshold(self) -> Self:
        """The reported objects alone."""
        ...


@runtime_checkable
class Masked(Protocol):
    """A prediction whose objects may have masks."""

    def masks(self) -> NDArray[np.bool_] | None:
        """The masks, bool of shape (objects, height, width); None without."""
        ...


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of an image.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels; empty where regions are known
            as a mask only.
        scores: float32 of shape (N,), 0 to 1.
        class_ids: int64 of shape (N,).
        mask: The pixels of all regions, bool of shape (height, width); None where the boxes are
            all that is known.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    mask: NDArray[np.bool_] | None = None


@runtime_checkable
class Concealable(Protocol):
    """A prediction of regions that can be made unrecognisable."""

    def regions(self, labels: Collection[str]) -> Regions:
        """The regions of some labels, also of uncertain ones that are not reported.

        Args:
            labels: Class names, or those that the prediction has in their place.
        """
        ...


def as_box(box: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """A box of shape (4,) as plain numbers."""
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
