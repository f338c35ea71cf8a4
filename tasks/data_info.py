"""What the data module tells the task: built from a data module, and from a checkpoint."""

from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_origin, get_type_hints

from visus.tasks.spec import InputInfo
from visus.vision.errors import VisusError

Info = TypeVar("Info", bound=InputInfo)


def info_from_data(info_class: type[Info], data: object) -> Info:
    """What a data module tells a task.

    Args:
        info_class: The task's `TaskSpec.data_info`.
        data: The data module, with an attribute for each field.

    Raises:
        VisusError: If it lacks a field that has no default.
    """
    values = {}
    for field in fields(info_class):
        try:
            values[field.name] = getattr(data, field.name)
        except AttributeError as error:
            # An error inside a property of that name is another one.
            if error.name != field.name:
                raise
            if field.default is MISSING and field.default_factory is MISSING:
                raise VisusError(
                    f"{type(data).__name__} has no attribute {field.name!r}, which "
                    f"{info_class.__name__} needs; define it in the data module"
                ) from None
    return info_from_plain(info_class, values)


def info_from_plain(info_class: type[Info], values: dict[str, Any]) -> Info:
    """The same of plain values, whose lists become tuples where the field is one.

    Args:
        info_class: The task's `TaskSpec.data_info`.
        values: By the field's name; others are left out.

    Raises:
        VisusError: If a field without a default is missing.
    """
    hints = get_type_hints(info_class)
    given = {
        field.name: _tuple(values[field.name])
        if get_origin(hints[field.name]) is tuple
        else values[field.name]
        for field in fields(info_class)
        if field.name in values
    }
    try:
        return info_class(**given)
    except TypeError as error:
        raise VisusError(f"{info_class.__name__}: {error}") from None


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
