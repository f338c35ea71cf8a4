"""Checks that numeric arguments lie in their ranges."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from visus.vision.errors import VisusError


@dataclass(frozen=True)
class Range:
    """An interval of finite numbers.

    Attributes:
        low: The smallest number.
        high: The largest number.
        open: Whether `low` and `high` themselves are excluded.
    """

    low: float
    high: float = math.inf
    open: tuple[bool, bool] = (False, False)

    def holds(self, value: float) -> bool:
        """Whether a number lies in the interval; NaN and infinity do not."""
        above = self.low < value if self.open[0] else self.low <= value
        below = value < self.high if self.open[1] else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        low = f"{'above' if self.open[0] else 'at least'} {self.low:,.15g}"
        if math.isinf(self.high):
            return low
        return f"{low} and {'below' if self.open[1] else 'at most'} {self.high:,.15g}"


POSITIVE = Range(0, open=(True, True))
NOT_NEGATIVE = Range(0)
PROBABILITY = Range(0, 1, (False, True))
"""Of something that must not be certain, such as dropout."""

FRACTION = Range(0, 1)
WIDTH = Range(1, 65_536)
"""Channels and units of layers."""


def check_ranges(prefix: str, ranges: Mapping[str, Range], values: Mapping[str, Any]) -> None:
    """Refuse numbers outside of their ranges; None and names without a range are ignored.

    Args:
        prefix: `model` or `data`, for the message.
        ranges: The range of each argument, and of each element of lists and mappings.
        values: The arguments: numbers, or lists or mappings of numbers.

    Raises:
        VisusError: Naming the argument, its value and the range.
    """
    for name, value in values.items():
        if name not in ranges or value is None:
            continue
        if isinstance(value, Mapping):
            numbers: Iterable[Any] = value.values()
        else:
            numbers = value if isinstance(value, list | tuple) else (value,)
        if not all(ranges[name].holds(number) for number in numbers):
            shown = list(value) if isinstance(value, tuple) else value
            raise VisusError(f"{prefix}.{name} {shown} must be {ranges[name]}")
