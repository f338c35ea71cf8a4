"""Where tables and lines are printed."""

import sys

from rich.console import Console


def console() -> Console:
    """A console of the terminal's width; wide enough for every table where there is no terminal."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 180)
