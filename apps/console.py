"""The console for tables."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from visus.vision.printable import printable


class _Console(Console):
    """Escapes control characters in texts and cells, such as class names."""

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console.render_str`."""
        return super().render_str(printable(text, lines=True), **options)


def console() -> Console:
    """A console as wide as the terminal; without one, wide enough for every table."""
    return _Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 180)
