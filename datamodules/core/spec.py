"""The interface between the applications and the data of a task, free of torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from visus.datamodules.core.problems import Problem
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from rich.table import Table

    from visus.datamodules.core.base import VisionDataModule
    from visus.datamodules.core.label_writer import LabelWriter
    from visus.vision.metadata import ModelMetadata


@dataclass(frozen=True)
class DataOption:
    """An option of `visus data check` and `convert` that belongs to one task's data.

    Attributes:
        flag: Name on the command line, such as `--ignore`.
        help: Help text.
        kind: Type of the value: `str`, `int` or `float`; None for a switch.
        choices: Allowed values; None for any.
        default: Value if the option is not given.
    """

    flag: str
    help: str
    kind: Callable[[str], Any] | None = str
    choices: tuple[str, ...] | None = None
    default: Any = None

    @property
    def name(self) -> str:
        """Key of the value, such as `in_channels` for `--in-channels`."""
        return self.flag.removeprefix("--").replace("-", "_")


ALLOW_OUTSIDE = DataOption(
    "--allow-outside",
    "also read files outside of the data set's folder that its annotations name",
    kind=None,
    default=False,
)
"""The option of the tasks whose annotations name files, as `data.allow_outside` in training."""

IN_CHANNELS = DataOption("--in-channels", "channels of the images", int, default=3)
"""The option of the tasks that take `.npy` images, as `data.in_channels` in training."""


@dataclass(frozen=True)
class DataReport:
    """Result of checking a data set.

    Attributes:
        lines: Tables and lines to print.
        problems: Problems of the data set.
    """

    lines: "Sequence[Table | str]"
    problems: Sequence[Problem]


class DataSpec(ABC):
    """The data of a task, as the applications use them; one subclass for each task.

    Attributes:
        task: Name of the task.
        fallback: Whether `recognise` is called only if no other task's data were recognised.
        options: Options of `visus data check` and `convert`.
        conversions: Formats that `visus data convert` can write.
        label_formats: Forms in which predictions can be written as labels.
        sample_folder: Name of the folder for `write_sample`; empty if there is no sample.
    """

    task: ClassVar[str]
    fallback: ClassVar[bool] = False
    options: ClassVar[tuple[DataOption, ...]] = ()
    conversions: ClassVar[tuple[str, ...]] = ()
    label_formats: ClassVar[tuple[str, ...]] = ()
    sample_folder: ClassVar[str] = ""

    @abstractmethod
    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """The data modules; the one for the user's own files comes first."""

    @abstractmethod
    def recognise(self, path: Path) -> str:
        """Name of the data at a path, such as `COCO labels`; empty if they are not of this task."""

    @abstractmethod
    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """Check every file of a data set.

        Args:
            path: A folder or a file.
            values: Values of `options`.

        Raises:
            VisusError: If there are no data to read.
        """

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """Check every file that a data module reads.

        Args:
            data: An instance of one of `data_modules` or of a subclass.

        Raises:
            VisusError: If the data module reads no files that can be checked.
        """
        raise VisusError(f"{type(data).__name__} has no files to check")

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the data module for the user's own files that are options here.

        Args:
            values: Values of `options`.
        """
        return dict(values)

    def draw(self, path: Path, values: Mapping[str, Any], folder: Path) -> int:
        """Draw the labels of some images.

        Args:
            path: The data set.
            values: Values of `options`.
            folder: Where the images are written.

        Returns:
            The number of images.

        Raises:
            VisusError: If this task's labels cannot be drawn.
        """
        raise VisusError(f"--draw shows boxes or masks; {path} holds none")

    def convert(self, path: Path, values: Mapping[str, Any], to: str, output: Path) -> DataReport:
        """Convert a data set to another format; this one writes shards.

        Args:
            path: The data set.
            values: Values of `options`.
            to: One of `conversions`.
            output: The folder to write.

        Raises:
            VisusError: If it cannot be read or written.
        """
        from visus.datamodules.core.file_data import FileData
        from visus.datamodules.core.shards.writer import write_shards

        data = self.data_modules()[0](root=str(path), skip_bad=True, **self.arguments(values))  # type: ignore[call-arg]
        header = write_shards(data.shard_source(), output)
        problems = data.listing.problems if isinstance(data, FileData) else ()
        splits = ", ".join(f"{count} {name}" for name, count in header.splits.items() if count)
        left_out = f"; {data.skipped} bad ones were left out" if data.skipped else ""
        line = f"{splits} samples written to {output} in {len(header.shards)} shards{left_out}"
        return DataReport([line], problems)

    def label_writer(self, format: str, folder: Path, metadata: "ModelMetadata") -> "LabelWriter":
        """The writer of a model's predictions as the labels of a new data set.

        Args:
            format: One of `label_formats`.
            folder: The folder to write; it does not exist yet, or is empty.
            metadata: The model's.

        Raises:
            VisusError: If the folder is not empty, or the format cannot hold these predictions.
        """
        raise NotImplementedError(f"predictions of task {self.task} cannot be labels")

    def write_sample(self, folder: Path) -> None:
        """Write a small data set that this task can be trained on.

        Args:
            folder: The folder to write.

        Raises:
            NotImplementedError: If there is no sample.
        """
        raise NotImplementedError

    def sample_layouts(self) -> Mapping[str, Callable[[Path], None]]:
        """Functions that write such a data set in the task's other layouts, by the layout's name.

        Their argument is the folder to write.
        """
        return {}


def size_line(sizes: Sequence[tuple[int, int]]) -> list[str]:
    """A line with the number and the range of sizes of images; no line for no images.

    Args:
        sizes: (height, width) of each image in pixels.
    """
    if not sizes:
        return []
    heights, widths = (sorted(size[axis] for size in sizes) for axis in (0, 1))
    return [
        f"{len(sizes)} readable images, {widths[0]} to {widths[-1]} px wide, "
        f"{heights[0]} to {heights[-1]} px high"
    ]
