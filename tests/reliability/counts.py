"""How often the tests of reliability repeat: a few times in `make test`, in full in `make soak`."""

import os

SOAK = os.environ.get("VISUS_SOAK") == "1"


def count(quick: int, full: int) -> int:
    """The number of repetitions of this run: `quick` in `make test`, `full` in `make soak`."""
    return full if SOAK else quick
