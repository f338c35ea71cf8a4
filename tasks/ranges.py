"""Ranges of the constructor arguments of tasks."""

from collections.abc import Mapping

from visus.vision.ranges import FRACTION, NOT_NEGATIVE, POSITIVE, Range

COMMON_RANGES: Mapping[str, Range] = {
    "learning_rate": POSITIVE,
    "backbone_learning_rate": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "warmup": FRACTION,
    "freeze_epochs": Range(-1),
}
"""Those of `VisionTask`."""


def ranges_of(task: type) -> dict[str, Range]:
    """The `ranges` of a class of tasks and of its base classes."""
    found: dict[str, Range] = {}
    for base in reversed(task.__mro__):
        found |= vars(base).get("ranges", {})
    return found
