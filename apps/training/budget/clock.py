"""The clock of a time budget."""

import time
from argparse import ArgumentTypeError

from visus.apps.parsing import CommandError
from visus.vision.durations import parse_seconds

SHORTEST = 20.0
"""Seconds: loading the libraries and the data takes a good part of less."""


def now() -> float:
    """The time in seconds, of a clock that is never set back."""
    return time.monotonic()


class Budget:
    """A time budget, and how much of it is left; it starts with the command.

    Args:
        seconds: The whole budget.

    Attributes:
        spent_before: Seconds that a training took before it was resumed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent_before = 0.0
        self._started = now()

    @property
    def elapsed(self) -> float:
        """Seconds spent so far, those before a resumption included."""
        return self.spent_before + now() - self._started

    @property
    def left(self) -> float:
        """Seconds until the command must have ended."""
        return self.seconds - self.elapsed


def parse_budget(text: str) -> Budget:
    """The budget of the command line, such as `15m`.

    Raises:
        CommandError: If it is not a duration with a unit, or too short to train anything.
    """
    try:
        seconds = parse_seconds(text)
    except ArgumentTypeError as error:
        raise CommandError(f"--budget {str(error).replace('2s', '15m or 90s')}") from None
    if seconds < SHORTEST:
        raise CommandError(f"--budget {text}: trains nothing; give {SHORTEST:g}s or more")
    return Budget(seconds)
