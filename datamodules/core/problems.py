"""Problems of a data set, and the report that lists them all."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Literal

from visus.vision.errors import VisusError
from visus.vision.printable import printable
from visus.vision.wording import counted

Severity = Literal["fatal", "error", "warning"]
"""A `fatal` problem always prevents training, an `error` unless bad samples are skipped."""

PROBLEMS_FILE = Path("visus-problems.txt")
"""All problems of a data set, where they are too many for the screen."""

_SEVERITIES: tuple[Severity, ...] = ("fatal", "error", "warning")

_SHOWN = 20
"""Number of problems that are shown on the screen."""

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|[-+]?[0-9][0-9.]*")
"""What differs between the messages of one kind."""


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


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether a sample with these problems is left out."""
    return any(problem.severity == "error" for problem in problems)


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
    ordered = _ordered(problems)
    return "\n".join([*map(str, ordered), _summary(ordered)])


def screen_report(problems: Iterable[Problem]) -> str:
    """As `report`; of many problems a few of each kind, and all in a file of the current folder."""
    ordered = _ordered(problems)
    if len(ordered) <= _SHOWN:
        return report(ordered)
    try:
        # Imported late: the specifications of the data need neither NumPy nor Pillow.
        from visus.vision.output_files import write_text

        write_text(PROBLEMS_FILE, report(ordered) + "\n")
    except VisusError:
        # Rather a long report than an incomplete one.
        return report(ordered)
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in ordered:
        kind = _VALUES.sub("#", problem.message)
        kinds.setdefault((problem.severity, kind), []).append(problem)
    share = max(1, _SHOWN // len(kinds))
    lines: list[str] = []
    for group in list(kinds.values())[:_SHOWN]:
        lines += map(str, group[:share])
        if len(group) > share:
            lines.append(f"  and {len(group) - share} more of this kind")
    if len(kinds) > _SHOWN:
        lines.append(f"and {counted(len(kinds) - _SHOWN, 'further kind')}")
    return "\n".join([*lines, f"{_summary(ordered)}, all of them in {PROBLEMS_FILE}"])


def _ordered(problems: Iterable[Problem]) -> list[Problem]:
    """The problems by severity, then by place, in which 2 comes before 10."""
    return sorted(problems, key=lambda p: (_SEVERITIES.index(p.severity), _natural(p.place)))


def _natural(text: str) -> tuple[str | int, ...]:
    """A key that sorts numbers in a text by their value."""
    parts = re.split(r"([0-9]+)", text)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts))


def _summary(problems: Sequence[Problem]) -> str:
    counts = Counter(p.severity for p in problems)
    parts = ", ".join(f"{counts[s]} {s}" for s in _SEVERITIES if counts[s])
    return f"{counted(len(problems), 'problem')} ({parts})" if parts else "no problems"


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
            else "fix them, or leave these images or objects out with --data.skip_bad true"
        )
        raise DataError(f"{screen_report(problems)}; {remedy}")
