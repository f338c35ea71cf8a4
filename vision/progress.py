"""A progress bar for long work on a terminal, and nothing where the output is none."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Hand the items on, drawing a bar on the standard error stream where that is a terminal.

    Args:
        items: What to go through.
        description: What is being done.
        total: How many there are, where `items` cannot tell.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    yield from rich_track(items, description, total=total, console=console, transient=True)
