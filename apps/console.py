"""The console for tables."""

import sys

from rich.console import Console


def console() -> Console:
    """A console as wide as the terminal; without one, wide enough for every table."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 180)
