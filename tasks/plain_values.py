"""Plain values: all that a checkpoint may hold beside tensors."""

from dataclasses import asdict, is_dataclass
from typing import Any


def plain(value: Any) -> Any:
    """Convert a value to plain `str`, `int`, `float`, `bool`, `list` and `dict`.

    Raises:
        TypeError: If it contains anything else, which would make a checkpoint unreadable.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f"a checkpoint stores plain values only, not {type(value).__name__}")
