"""Which items of many are shown or measured."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` items in their order, evenly spaced, the first and the last included.

    Args:
        items: All items.
        count: The largest number of items; if it is 1, the first item.
    """
    if len(items) <= count:
        return list(items)
    steps = max(1, count - 1)
    return [items[round(i * (len(items) - 1) / steps)] for i in range(count)]


def first_and_spaced(items: Sequence[Item], first: int, total: int) -> list[Item]:
    """The first items, and evenly spaced ones of the others.

    Args:
        items: All items, such as images in ascending order of a metric.
        first: Number of items from the start.
        total: The largest number of items in all.
    """
    return [*items[:first], *evenly_spaced(items[first:], total - first)]
