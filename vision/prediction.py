"""What all predictions are: made of a model's raw outputs, readable by people and as JSON."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Outputs = Sequence[NDArray[Any]]
"""A model's outputs for one picture, in NumPy, without the batch dimension."""


class Prediction(Protocol):
    """What every task's prediction offers."""

    def to_json(self) -> dict[str, Any]:
        """The task's part of a JSON Lines object."""
        ...

    def summary(self) -> str:
        """One line for a person."""
        ...
