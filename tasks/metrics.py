"""Interface of the metrics of all tasks."""

from typing import Any, Protocol


class Metrics(Protocol):
    """Accumulates a record for each sample, and computes metrics from all records.

    Attributes:
        records: The accumulated records; those of all processes are joined before `compute`.
    """

    records: list[Any]

    def compute(self) -> Any:
        """The result: an object with `metrics`, a dictionary of values by name."""
        ...
