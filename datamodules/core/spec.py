"""What the applications know of the data of a task: one subclass a task, torch-free."""

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


@dataclass(frozen=True)
class DataOption:
    """An option of `visus data check` and `convert` that belongs to one task's data.

    Attributes:
        flag: Such as `--ignore`.
        help: What it does.
        kind: `str`, `int` or `float`; None for a switch.
        choices: The values that are allowed.
        default: The value where it is not given.
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


@dataclass(frozen=True)
class DataReport:
    """What a check of a data set found.

    Attributes:
        lines: Tables and lines to print.
        problems: What is wrong.
    """

    lines: "Sequence[Table | str]"
    problems: Sequence[Problem]


class DataSpec(ABC):
    """What the applications know of the data of a task.

    Attributes:
        task: Name of the task.
        fallback: Whether to consider it only where no other task's data are recognised.
        options: Options of `visus data check` and `convert`.
        conversions: Formats that `visus data convert` can write.
        sample_folder: Name of the folder that `write_sample` makes; empty for none.
    """

    task: ClassVar[str]
    fallback: ClassVar[bool] = False
    options: ClassVar[tuple[DataOption, ...]] = ()
    conversions: ClassVar[tuple[str, ...]] = ()
    sample_folder: ClassVar[str] = ""

    @abstractmethod
    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """The data modules, a user's own files first."""

    @abstractmethod
    def recognise(self, path: Path) -> str:
        """What a path holds, such as `COCO labels`; empty where it is not this task's data."""

    @abstractmethod
    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """Check every file of a data set.

        Args:
            path: A folder or a file.
            values: Values of `options`.

        Raises:
            VisusError: If there is nothing to read.
        """

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """Check the files of a data module of this task.

        Args:
            data: One that lists its samples, as the `listing` of a user's own files does.

        Raises:
            VisusError: If it lists none.
        """
        raise VisusError(f"{type(data).__name__} has no files to check")

    def draw(self, path: Path, values: Mapping[str, Any], folder: Path) -> int:
        """Draw the labels of some images into a folder; returns how many images.

        Raises:
            VisusError: If this task's labels cannot be drawn.
        """
        raise VisusError(f"--draw shows boxes or masks; {path} holds none")

    def convert(self, path: Path, values: Mapping[str, Any], to: str, output: Path) -> DataReport:
        """Write a data set in another of `conversions`.

        Raises:
            VisusError: If it cannot be read or written.
        """
        raise VisusError(f"{path}: data of task {self.task} cannot be converted")

    def write_sample(self, folder: Path) -> None:
        """Write a small data set that this task trains on.

        Raises:
            NotImplementedError: If there is none.
        """
        raise NotImplementedError


def size_line(sizes: Sequence[tuple[int, int]]) -> list[str]:
    """A line on the sizes of images, (height, width) in pixels; none without images."""
    if not sizes:
        return []
    heights, widths = (sorted(size[axis] for size in sizes) for axis in (0, 1))
    return [
        f"{len(sizes)} readable images, {widths[0]} to {widths[-1]} px wide, "
        f"{heights[0]} to {heights[-1]} px high"
    ]
