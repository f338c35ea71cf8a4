"""Conditions on predictions, such as `person > 0.5 for 2s`."""

import math
import operator
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from visus.apps.inference.combined import CombinedPrediction
from visus.apps.parsing import did_you_mean
from visus.vision.durations import parse_seconds
from visus.vision.errors import VisusError
from visus.vision.prediction import Itemised, Prediction

ANY = "any"
"""The label that every item has."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_GRAMMAR = re.compile(r"(.+?)\s*(>=|<=|>|<)\s*(\S+?)(?:\s+for\s+(\S+))?")


@dataclass(frozen=True)
class Condition:
    """A comparison of a label's value with a number, which must hold for some seconds.

    Attributes:
        text: The condition as the user wrote it.
        label: The label, or `any`.
        comparison: `>`, `>=`, `<` or `<=`.
        limit: The number, 0 to 1.
        seconds: How long the comparison must hold; 0 for a single frame.
    """

    text: str
    label: str
    comparison: str
    limit: float
    seconds: float

    def value(self, prediction: Prediction) -> float:
        """The highest score of the items with the label; 0 without one.

        Of items without a score, such as the classes of a segmentation, the area counts.
        """
        parts = prediction.parts if isinstance(prediction, CombinedPrediction) else (prediction,)
        values = [0.0]
        for part in parts:
            for item in part.items() if isinstance(part, Itemised) else ():
                if self.label in (ANY, item.label):
                    area = item.details.get("area", 1.0)
                    values.append(float(area) if math.isnan(item.score) else item.score)
        return max(values)

    def holds(self, value: float) -> bool:
        """Whether the comparison holds for a value."""
        return _COMPARISONS[self.comparison](value, self.limit)

    def check_label(self, labels: Collection[str]) -> None:
        """Refuse a label that no item can have.

        Args:
            labels: The labels of the models.

        Raises:
            VisusError: Naming labels that are close.
        """
        if self.label == ANY or self.label in labels:
            return
        shown = ", ".join([*list(labels)[:5], *(["..."] if len(labels) > 5 else [])])
        near = did_you_mean(self.label, labels) or f"; the labels are {ANY}, {shown}"
        raise VisusError(f"--on {self.text!r}: the model has no label {self.label!r}{near}")


def parse_condition(text: str) -> Condition:
    """Read a condition: LABEL, a comparison, a number, and optionally `for DURATION`.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    found = _GRAMMAR.fullmatch(text.strip())
    try:
        limit = float(found[3]) if found else math.nan
    except ValueError:
        limit = math.nan
    if found is None or math.isnan(limit):
        raise ArgumentTypeError(
            f"{text!r} is not a condition; write LABEL > NUMBER, or LABEL > NUMBER for DURATION, "
            "such as 'person > 0.5 for 2s'"
        )
    if not 0 <= limit <= 1:
        raise ArgumentTypeError(f"{text!r}: {found[3]} is not between 0 and 1, as scores are")
    try:
        seconds = parse_seconds(found[4]) if found[4] else 0.0
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None
    return Condition(text.strip(), found[1], found[2], limit, seconds)


class Trigger:
    """Decides when a condition raises an event, from frame to frame of one camera.

    An event is raised when the condition has held for its duration in every frame. The next one
    needs the condition to fail in between, and the cool-down to pass.

    Args:
        condition: The condition.
        cooldown: Seconds from one event to the next.
    """

    def __init__(self, condition: Condition, cooldown: float) -> None:
        self.condition = condition
        self._cooldown = cooldown
        self._since: float | None = None
        self._armed = True
        self._last = -math.inf

    def update(self, value: float, time: float) -> bool:
        """Whether a frame raises an event.

        Args:
            value: See `Condition.value`.
            time: Time of the frame in seconds.
        """
        if not self.condition.holds(value):
            self._since, self._armed = None, True
            return False
        if self._since is None:
            self._since = time
        # Timestamps are rounded.
        held = time - self._since + 1e-3 >= self.condition.seconds
        if not (self._armed and held and time - self._last >= self._cooldown):
            return False
        self._armed, self._last = False, time
        return True

    def interrupt(self) -> None:
        """Forget how long the condition has held, as no frames arrive."""
        self._since = None
