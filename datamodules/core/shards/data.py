"""Data sets in shards for the data modules and the commands."""

from collections.abc import Sequence
from typing import Any, TypeVar

from visus.datamodules.core.problems import Problem
from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.index import ShardIndex
from visus.datamodules.core.shards.samples import ShardSamples, shard_files
from visus.datamodules.core.spec import DataReport
from visus.vision.errors import VisusError
from visus.vision.progress import track

Sample = TypeVar("Sample")


def open_shards(
    root: object, task: str, codec: SampleCodec[Sample]
) -> tuple[ShardSamples[Sample], dict[str, Any]]:
    """Open a data set in shards.

    Args:
        root: Its folder or its address.
        task: The task that it must be of.
        codec: Converts records to samples.

    Returns:
        All samples, and what the task needs beside them.

    Raises:
        VisusError: If it is of another task, incomplete or damaged.
    """
    index = ShardIndex(str(root))
    if index.header.task != task:
        raise VisusError(
            f"{root}: holds {index.header.task} data, not {task} data; choose a configuration of "
            "that task"
        )
    index.check()
    return ShardSamples(index, codec, range(len(index))), dict(index.header.content)


def known_names(
    root: object, names: Sequence[str], class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """The classes of a data set in shards, in the order of a checkpoint where there is one.

    Args:
        root: The data set.
        names: Its classes.
        class_names: The classes of the checkpoint, in order.

    Raises:
        VisusError: If the checkpoint does not know one of them.
    """
    unknown = sorted(set(names) - set(class_names or names))
    if unknown:
        raise VisusError(
            f"{root}: has the class {unknown[0]!r}, which the model does not know; it knows "
            f"{', '.join(class_names or ())}"
        )
    return tuple(class_names or names)


def check_shards(root: object) -> DataReport:
    """Read every file of a data set in shards, and compare it with its checksum.

    Args:
        root: Its folder or its address.

    Raises:
        VisusError: If it has no readable index.
    """
    index = ShardIndex(str(root))
    problems = []
    try:
        index.check()
    except VisusError as error:
        return DataReport([], [Problem(str(root), str(error), "fatal")])
    for number in track(range(len(index)), "Checking samples", len(index)):
        for file in shard_files(index, number, f"sample {number}").values():
            try:
                file.read_bytes()
            except VisusError as error:
                problems.append(Problem(str(root), str(error), "error"))
    splits = ", ".join(f"{count} {name}" for name, count in index.header.splits.items() if count)
    size = sum(index.header.shards.values()) / 1e6
    line = f"{index.header.task} data, {splits}, in {len(index.shards)} shards of {size:.1f} MB"
    return DataReport([line], problems)
