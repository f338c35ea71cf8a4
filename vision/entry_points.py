"""Load what other packages register by entry points."""

from importlib.metadata import EntryPoint
from typing import Any

from visus.vision.errors import VisusError


def load_entry_point(entry: EntryPoint) -> Any:
    """What a package registered, created without arguments.

    Raises:
        VisusError: If it cannot be imported.
    """
    try:
        return entry.load()()
    except (ImportError, AttributeError) as error:
        package = entry.dist.name if entry.dist else "an installed package"
        raise VisusError(
            f"{package}: its entry point {entry.group} {entry.name} = {entry.value} cannot be "
            f"loaded ({error}); fix or uninstall it"
        ) from None
