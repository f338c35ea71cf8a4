"""Durations on the command line."""

from argparse import ArgumentTypeError


def parse_seconds(text: str) -> float:
    """A duration such as `500ms`, `2s`, `15m` or `8h`, in seconds.

    Raises:
        argparse.ArgumentTypeError: If it is not a positive number with a unit.
    """
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * units.get(unit, float("nan"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(
            f"{text!r} is not a duration; write a number and a unit, such as 2s"
        )
    return seconds
