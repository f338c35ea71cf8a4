"""What an application must know of a model: kept in checkpoints and in exported files alike."""

from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from visus.vision.errors import VisusError
from visus.vision.resize import FitMode

FORMAT = 1
"""Version of the layout; a file with another one is refused."""


@dataclass(frozen=True)
class ModelMetadata:
    """The facts that turn a picture into a model's input, and its outputs into a prediction.

    Attributes:
        task: Stem of the task, such as `classification`.
        class_names: One name for each class id, in order.
        image_size: (height, width) of the input in pixels.
        in_channels: Channels of the input: 3 for RGB, 1 for grey.
        fit_mode: How a picture is brought to that size.
        mean: One constant for each channel on the scale 0 to 255; the model subtracts it itself.
        std: One constant for each channel on the scale 0 to 255; the model divides by it itself.
        options: What only this task needs, plain values.
    """

    task: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    in_channels: int
    fit_mode: FitMode
    mean: tuple[float, ...]
    std: tuple[float, ...]
    options: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain `str`, `int`, `float`, `list` and `dict`, readable without unpickling anything."""
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return {"format": FORMAT, **plain}

    @classmethod
    def from_dict(cls, values: object, place: str) -> "ModelMetadata":
        """Check and read what `to_dict` wrote.

        Args:
            values: The dictionary; keys it does not know are left alone.
            place: The file's name, for the error.

        Raises:
            VisusError: If it is not metadata of this format.
        """
        if not isinstance(values, dict) or "format" not in values:
            raise VisusError(f"{place}: carries no visus metadata; it was not written by visus")
        if values["format"] != FORMAT:
            raise VisusError(
                f"{place}: has metadata of format {values['format']!r}, this visus reads {FORMAT}; "
                "install the visus that wrote it"
            )
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise VisusError(f"{place}: its metadata lacks {', '.join(missing)}; export it again")
        if values["fit_mode"] not in get_args(FitMode):
            raise VisusError(f"{place}: its fit mode {values['fit_mode']!r} is unknown")
        arguments = {name: values[name] for name in names}
        for name in ("class_names", "image_size", "mean", "std"):
            arguments[name] = tuple(arguments[name])
        return cls(**arguments)
