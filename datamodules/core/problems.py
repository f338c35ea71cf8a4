"""What is wrong with a data set: every problem by name, in one report."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from visus.vision.errors import VisusError

Severity = Literal["fatal", "error", "warning"]
"""A `fatal` problem stops training in any case, an `error` unless bad samples are skipped."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: The file, with the line where there is one, or the folder.
        message: What is wrong with it, and the remedy.
        severity: What it does to training.
    """

    place: str
    message: str
    severity: Severity

    def __str__(self) -> str:
        """One line: severity, place and message."""
        return f"{self.severity}: {self.place}: {self.message}"


class DataError(VisusError):
    """A data set that cannot be used as it is; the message is the whole report."""


def report(problems: Iterable[Problem]) -> str:
    """All problems, a line each, the worst first, and a line that counts them."""
    problems = list(problems)
    order: tuple[Severity, ...] = ("fatal", "error", "warning")
    lines = [str(p) for p in sorted(problems, key=lambda p: (order.index(p.severity), p.place))]
    counts = Counter(p.severity for p in problems)
    told = ", ".join(f"{counts[s]} {s}" for s in order if counts[s])
    return "\n".join([*lines, f"{len(problems)} problems ({told})" if told else "no problems"])


def refuse(problems: Iterable[Problem], skip_bad: bool) -> None:
    """Stop where the problems do not allow training.

    Args:
        problems: All that were found.
        skip_bad: Whether the samples of `error`s were left out.

    Raises:
        DataError: With the whole report.
    """
    problems = list(problems)
    stopping = {"fatal"} if skip_bad else {"fatal", "error"}
    if any(p.severity in stopping for p in problems):
        remedy = (
            "mend what is fatal"
            if skip_bad
            else "mend them, or leave the bad images out with --data.skip_bad true"
        )
        raise DataError(f"{report(problems)}; {remedy}")
