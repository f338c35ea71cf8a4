"""Build a task's `data_info` from a data module, or from the plain values of a checkpoint."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode

Info = TypeVar("Info", bound="InputInfo")


@dataclass(frozen=True, kw_only=True)
class InputInfo:
    """Properties of the data that every task depends on; subclasses add those of one task.

    Attributes:
        image_size: (height, width) of the network's input in pixels.
        class_names: One name for each class id, in order.
        in_channels: Channels of the input: 3 for RGB, 1 for grey.
        resize_mode: How an image is resized to the input size.
    """

    image_size: tuple[int, int]
    class_names: tuple[str, ...]
    in_channels: int
    resize_mode: ResizeMode


def info_from_data(info_class: type[Info], data: object) -> Info:
    """Build a task's `data_info` from the attributes of a data module.

    Args:
        info_class: The task's `TaskSpec.data_info`.
        data: The data module, with an attribute for each field.

    Raises:
        VisusError: If it lacks an attribute whose field has no default, or a property of it fails.
    """
    values = {}
    module = type(data).__name__
    for field in fields(info_class):
        try:
            values[field.name] = getattr(data, field.name)
        except AttributeError as error:
            if error.name != field.name or error.obj is not data:
                # The attribute exists: it is a property, in which another attribute is missing.
                raise VisusError(f"{module}.{field.name}: {error}") from error
            if field.default is MISSING and field.default_factory is MISSING:
                raise VisusError(
                    f"{module} has no attribute {field.name!r}, which "
                    f"{info_class.__name__} needs; define it in the data module"
                ) from None
    return info_from_plain(info_class, values)


def info_from_plain(info_class: type[Info], values: dict[str, Any]) -> Info:
    """Rebuild a task's `data_info` from plain values; lists become tuples where fields are tuples.

    Args:
        info_class: The task's `TaskSpec.data_info`.
        values: Values by the field's name; values of other names are ignored.

    Raises:
        VisusError: If a field without a default is missing.
    """
    hints = get_type_hints(info_class)
    given = {
        field.name: _restore(values[field.name], hints[field.name])
        for field in fields(info_class)
        if field.name in values
    }
    try:
        return info_class(**given)
    except TypeError as error:
        raise VisusError(f"{info_class.__name__}: {error}") from None


def _restore(value: Any, hint: Any) -> Any:
    """Convert a list to a tuple if the annotation is a tuple, or a tuple or None."""
    is_tuple = any(get_origin(each) is tuple for each in (hint, *get_args(hint)))
    return tuple(value) if is_tuple and isinstance(value, list) else value
