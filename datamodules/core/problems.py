"""Problems of a data set, and the report that lists them all."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from reprlib import Repr
from typing import Literal

from visus.vision.errors import VisusError
from visus.vision.printable import printable

Severity = Literal["fatal", "error", "warning"]
"""A `fatal` problem always prevents training, an `error` unless bad samples are skipped."""


@dataclass(frozen=True)
class Problem:
    """One problem of a data set.

    Attributes:
        place: The file, with a line number where it has lines, or the folder.
        message: The problem and its remedy.
        severity: Whether it prevents training.
    """

    place: str
    message: str
    severity: Severity

    def __str__(self) -> str:
        """One line: severity, place and message, without characters that a terminal obeys."""
        return printable(f"{self.severity}: {self.place}: {self.message}")


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 60
_SHORT.maxlevel = 2


def shown(value: object) -> str:
    """A value from a file for a message: on one line, and shortened."""
    try:
        return _SHORT.repr(value)
    except ValueError:
        # Python prints no integers of thousands of digits.
        return f"a value of type {type(value).__name__}"


def short(text: str) -> str:
    """A word from a file for a message: shortened, without quotation marks."""
    return shown(text)[1:-1]


class DataError(VisusError):
    """A data set cannot be used as it is; the message is the whole report."""


def report(problems: Iterable[Problem]) -> str:
    """All problems, one per line in the order of severity, and a line with their number."""
    problems = list(problems)
    order: tuple[Severity, ...] = ("fatal", "error", "warning")
    lines = [str(p) for p in sorted(problems, key=lambda p: (order.index(p.severity), p.place))]
    counts = Counter(p.severity for p in problems)
    parts = ", ".join(f"{counts[s]} {s}" for s in order if counts[s])
    return "\n".join([*lines, f"{len(problems)} problems ({parts})" if parts else "no problems"])


def refuse(problems: Iterable[Problem], skip_bad: bool) -> None:
    """Raise an error if the problems prevent training.

    Args:
        problems: All problems of the data set.
        skip_bad: Whether the samples of `error`s were left out.

    Raises:
        DataError: With the whole report.
    """
    problems = list(problems)
    stopping = {"fatal"} if skip_bad else {"fatal", "error"}
    if any(p.severity in stopping for p in problems):
        remedy = (
            "fix the fatal ones"
            if skip_bad
            else "fix them, or leave the bad images out with --data.skip_bad true"
        )
        raise DataError(f"{report(problems)}; {remedy}")
