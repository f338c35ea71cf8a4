"""Read a CSV file of a data set, with its problems."""

from collections.abc import Collection
from pathlib import Path

from visus.datamodules.core.problems import Problem, shown
from visus.vision.csv_files import Row, read_csv


def read_table(
    path: Path, columns: set[str], optional: Collection[str], texts: Collection[str] = ()
) -> tuple[list[tuple[str, Row]], list[Problem]]:
    """Read a CSV file; lines that cannot be read are errors, and columns that are not warnings.

    Args:
        path: The file.
        columns: Columns that it must have.
        optional: Columns that it may have; values of missing ones are empty.
        texts: See `visus.vision.csv_files.read_csv`.

    Returns:
        The place of each row, `FILE:LINE`, and its values; and the problems.

    Raises:
        VisusError: If it cannot be read, or lacks a column.
    """
    content = read_csv(path, columns, texts)
    problems = [Problem(place, message, "error") for place, message in content.problems]
    known = {*columns, *optional}
    others = [name for name in content.columns if name not in known]
    if others:
        names = ", ".join(shown(name) for name in others[:5])
        message = f"its column {names} is not read; known are {', '.join(sorted(known))}"
        problems.append(Problem(f"{path}:1", message, "warning"))
    empty = dict.fromkeys(optional, "")
    return [(place, empty | row) for place, row in content.rows], problems
