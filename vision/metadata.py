"""Metadata of a model, stored in checkpoints and in exported files, and its migrations."""

from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from visus.vision.errors import VisusError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ResizeMode = Literal["stretch", "letterbox", "crop"]
"""`stretch` ignores the aspect ratio, `letterbox` pads with grey, `crop` cuts out the centre."""

FORMAT = 2
"""Version of the stored layout; older ones are migrated, newer ones are refused."""


_ELEMENTS = {"class_names": str, "image_size": int, "mean": int | float, "std": int | float}
"""The fields that are lists, and what they hold."""


@dataclass(frozen=True)
class ModelMetadata:
    """All that preprocessing and postprocessing need to know of a model.

    Fields with a default are optional in files.

    Attributes:
        task: Name of the task, such as `classification`.
        class_names: One name for each class id, in order.
        image_size: (height, width) of the input in pixels.
        in_channels: Channels of the input: 3 for RGB, 1 for grey.
        resize_mode: How an image is resized to that size.
        mean: One constant for each channel on the scale 0 to 255; subtracted inside the model.
        std: One constant for each channel on the scale 0 to 255; a divisor inside the model.
        options: Plain values that only this task needs.
        state_shapes: Shapes, without the batch, of what the network keeps from one image to the
            next; empty for networks that see each image alone.
    """

    task: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    in_channels: int
    resize_mode: ResizeMode
    mean: tuple[float, ...]
    std: tuple[float, ...]
    options: dict[str, Any] = field(default_factory=dict)
    state_shapes: tuple[tuple[int, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The metadata as plain `str`, `int`, `float`, `list` and `dict`."""
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        plain["state_shapes"] = [list(shape) for shape in self.state_shapes]
        return {"format": FORMAT, **plain}

    def initial_state(self) -> "tuple[NDArray[np.float32], ...]":
        """The network's state before the first image of a stream: zeros, for a batch of one."""
        # Commands that run no network read metadata too.
        import numpy as np

        return tuple(np.zeros((1, *shape), np.float32) for shape in self.state_shapes)

    @classmethod
    def from_dict(cls, values: object, place: str) -> "ModelMetadata":
        """Check, migrate and read the result of `to_dict` of this or an earlier version.

        Args:
            values: The dictionary; unknown keys are ignored.
            place: Name of the file, for the error.

        Raises:
            VisusError: If it is not metadata of a known format.
        """
        values = migrate(values, place)
        required = [f.name for f in fields(cls) if (f.default, f.default_factory) == (MISSING,) * 2]
        missing = [name for name in required if name not in values]
        if missing:
            raise VisusError(f"{place}: its metadata lacks {', '.join(missing)}; export it again")
        if values["resize_mode"] not in get_args(ResizeMode):
            raise VisusError(f"{place}: its resize mode {values['resize_mode']!r} is unknown")
        arguments = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        for name, kind in _ELEMENTS.items():
            elements = arguments[name]
            if not isinstance(elements, list | tuple) or not all(
                isinstance(each, kind) for each in elements
            ):
                raise VisusError(f"{place}: damaged, {name} in its metadata is {elements!r:.60}")
            arguments[name] = tuple(elements)
        shapes = arguments.get("state_shapes", ())
        arguments["state_shapes"] = tuple(tuple(shape) for shape in shapes)
        return cls(**arguments)


def migrate(values: object, place: str) -> dict[str, Any]:
    """The stored dictionary in the current format.

    Args:
        values: The dictionary from a checkpoint or an exported file.
        place: Name of the file, for the error.

    Raises:
        VisusError: If it is not metadata, or of a newer format than this version reads.
    """
    if not isinstance(values, dict) or "format" not in values:
        raise VisusError(f"{place}: contains no visus metadata; it was not written by visus")
    values = dict(values)
    while values["format"] != FORMAT:
        # Any JSON value may stand here, a list among them.
        step = next((s for number, s in _MIGRATIONS.items() if number == values["format"]), None)
        if step is None:
            raise VisusError(
                f"{place}: has metadata of format {values['format']!r}, this visus reads "
                f"{', '.join(map(str, (*_MIGRATIONS, FORMAT)))}; install a newer visus"
            )
        values = step(values)
    return values


def _from_1(values: dict[str, Any]) -> dict[str, Any]:
    """Rename `fit_mode` to `resize_mode`."""
    renamed = {{"fit_mode": "resize_mode"}.get(key, key): v for key, v in values.items()}
    return {**renamed, "format": 2}


_MIGRATIONS: dict[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""Function from each earlier format to the next one."""
