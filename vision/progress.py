"""A progress bar, drawn only on a terminal."""

import sys
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def track(
    items: Iterable[Item], description: str, total: int | None = None
) -> Generator[Item, None, None]:
    """Yield the items, with a progress bar on the standard error stream if it is a terminal.

    Lines that are printed meanwhile appear above the bar.

    Args:
        items: The items.
        description: The text beside the bar.
        total: Number of items, if `items` has no length.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    progress = Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
        # Otherwise lines for a pipe or a file would be printed on the terminal.
        redirect_stdout=sys.stdout.isatty(),
    )
    with progress:
        yield from progress.track(items, total=total, description=description)
