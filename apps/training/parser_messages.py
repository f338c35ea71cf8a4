"""Turn jsonargparse's long messages into one line that names the key, the value and the remedy."""

import inspect
import re
from collections.abc import Iterable

from visus.apps.parsing import did_you_mean, explain
from visus.datamodules.registry import data_specs
from visus.tasks.base import VisionTask
from visus.tasks.registry import task_specs
from visus.vision.errors import VisusError


def tidy(message: str, error: BaseException | None, options: Iterable[str], trusted: str) -> str:
    """One line for a parser's message.

    Args:
        message: The message of jsonargparse.
        error: The exception that caused it, or None.
        options: The parser's known options.
        trusted: The packages from which classes may come, for the message.
    """
    cause = find_visus_error(error)
    if cause is not None:
        return str(cause)
    text = " ".join(explain(message, options).split())
    named = re.search(r'[Kk]ey "([\w.]+)"', text)
    key = named[1] if named else ""
    denied = re.search(r"Importing '([\w.]+)' is not allowed", text)
    if denied:
        return (
            f"--{key or 'class_path'} {denied[1]!r} is not allowed: a class_path must lie in "
            f"{trusted}; pass --allow-custom-classes if you trust it"
        )
    unknown = re.search(r"Option '([\w.]+)' is not accepted", text)
    if unknown:
        known = _parameters()
        near = did_you_mean(unknown[1], known)
        return f"unknown option {unknown[1]!r} of --{key or 'model or --data'}{near}"
    missing = re.search(r"arguments are required: (\w+)", text)
    if missing:
        home = key or ("data" if missing[1] == "root" else "model")
        return f"--{home}.{missing[1]} is required and was not given"
    expected = [t for t in re.findall(r"Expected an? <class '(\w+)'>", text) if t != "NoneType"]
    given = re.search(r"Given value: (\S+)", text)
    if expected and given:
        return f"--{key} {given[1]!r} is not of type {' or '.join(dict.fromkeys(expected))}"
    return text


def find_visus_error(error: BaseException | None) -> VisusError | None:
    """The `VisusError` that a library wrapped, or None."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, VisusError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _parameters() -> list[str]:
    """Names of the arguments of all tasks and data modules."""
    classes: list[type] = [VisionTask]
    classes += [spec.lightning_class() for spec in task_specs().values()]
    classes += [each for spec in data_specs().values() for each in spec.data_modules()]
    return sorted({name for c in classes for name in inspect.signature(c).parameters})
