"""Keyword arguments of the Python interface as the options of tasks and of the command line."""

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visus.apps.option_values import allowed_values
from visus.apps.parsing import CommandError, explain
from visus.tasks.options import OptionValues, Session, TaskOption
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.frames import SourceProperties
from visus.vision.model import Model
from visus.vision.model_wrapper import detached


def configure(model: Model, options: Mapping[str, Any], source: SourceProperties) -> Session:
    """Apply a task's options to a model for one call; the model itself keeps its own.

    Args:
        model: The model.
        options: Values by name, such as `threshold=0.5`.
        source: Where the images come from.

    Raises:
        TypeError: If the task has no such option, or its value is of another type.
        ValueError: If a value is not allowed.
    """
    spec = task_spec(model.metadata.task)
    known = {option.name: option for option in spec.options}
    for name in options:
        if name not in known:
            raise unknown_option(name, known, f"a model of {spec.title}")
    values: OptionValues = {
        name: _values(option, options.get(name)) for name, option in known.items()
    }
    with errors_in_python():
        (values,) = allowed_values([model], [values])
        return spec.configure(detached(model), values, source)


def unknown_option(name: str, known: Iterable[str], what: str) -> TypeError:
    """The error for an option that does not exist; names those that do.

    Args:
        name: The option.
        known: Names of the options.
        what: What has them.
    """
    known = list(known)
    flags = [_flag(each) for each in known]
    hint = explain(f"unrecognized arguments: {_flag(name)}", flags)
    reason = _in_python(hint)
    options = ", ".join(known) or "none"
    return TypeError(f"{reason}; the options of {what} are: {options}")


@contextmanager
def errors_in_python() -> Iterator[None]:
    """Name the options in errors as in Python, `min_face` for `--min-face`."""
    try:
        yield
    except VisusError as error:
        raise VisusError(_in_python(str(error))) from None


def _in_python(text: str) -> str:
    # A command to be run in a terminal keeps its options.
    command_or_option = r"\bvisus [a-z][^;,]*|(?<![\w-])--([a-z][\w.-]*)"
    return re.sub(
        command_or_option,
        lambda found: found[1].replace("-", "_") if found[1] else found[0],
        text,
    )


def to_arguments(options: Mapping[str, Any]) -> list[str]:
    """Options by their dotted names as words of a command line."""
    return [f"--{name}={_text(value)}" for name, value in options.items()]


def _text(value: Any) -> str:
    """A value as the command line writes it, in YAML."""
    if isinstance(value, str | Path):
        return str(value)
    try:
        return json.dumps(value)
    except TypeError:
        raise CommandError(
            f"{value!r}: an option is text, a number, true or false, None, or a list or a "
            "dictionary of these"
        ) from None


def _values(option: TaskOption, value: Any) -> Any:
    """As `_value`; of an option that may be repeated a list, from one value or several."""
    if not option.repeatable or value is None:
        return _value(option, value)
    several = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if several and all(isinstance(each, int | float) for each in several):
        # The coordinates of one line or zone.
        several = [",".join(map(str, several))]
    return [_value(option, each) for each in several]


def _value(option: TaskOption, value: Any) -> Any:
    """The value of an option in the type that the task expects.

    Raises:
        TypeError: If it is of another type.
        ValueError: If it is none of the choices.
    """
    if value is None or (option.kind is None and value is False):
        return None
    if option.kind is None:
        if value is not True:
            raise TypeError(f"{option.name}={value!r}: is switched on by True")
        return True
    try:
        converted = option.kind(value)
    except ArgumentTypeError as error:
        raise ValueError(f"{option.name}={error}") from None
    except (AttributeError, TypeError, ValueError):
        kind = option.kind.__name__ if isinstance(option.kind, type) else option.metavar or "value"
        raise TypeError(f"{option.name}={value!r}: is not of type {kind}") from None
    if option.choices is not None and converted not in option.choices:
        raise ValueError(f"{option.name}={value!r}: choose from {', '.join(option.choices)}")
    return converted


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
