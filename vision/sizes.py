"""Amounts of memory on the command line."""

import re

from visus.vision.errors import VisusError

_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def parse_bytes(text: str, name: str) -> int:
    """An amount of memory such as `500MB` or `2GB`, in bytes; `0` for none.

    Args:
        text: The amount.
        name: Name of the option, for the message.

    Raises:
        VisusError: If it is not a number with a unit.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]b)", text.strip().lower())
    if found is not None:
        return round(float(found[1]) * _UNITS[found[2]])
    if text.strip() == "0":
        return 0
    raise VisusError(
        f"{name} {text!r} is not an amount of memory; write a number and a unit, as 2GB"
    )
