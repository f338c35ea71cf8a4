"""What the metrics of every task offer."""

from typing import Any, Protocol


class Metrics(Protocol):
    """Accumulates what was measured of each sample, and computes figures of all.

    Attributes:
        records: What was accumulated; those of all processes are joined before `compute`.
    """

    records: list[Any]

    def compute(self) -> Any:
        """The result: an object with `figures`, a dictionary of numbers by name."""
        ...
