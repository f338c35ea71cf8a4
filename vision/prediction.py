"""The interface of all predictions: built from network outputs, printed, written as JSON."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

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
