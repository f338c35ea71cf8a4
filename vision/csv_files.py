"""Read CSV files with named columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from visus.vision.errors import VisusError


def csv_rows(path: Path, columns: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a CSV file row by row.

    Args:
        path: The file, in UTF-8, with the names of the columns in its first line.
        columns: Columns that it must have.

    Yields:
        The place of the row, `FILE:LINE`, and its values by the column's name.

    Raises:
        VisusError: If it is not UTF-8 or lacks a column.
    """
    rows = _reader(path)
    missing = columns - set(rows.fieldnames or ())
    if missing:
        raise VisusError(
            f"{path}:1: lacks the column {' and '.join(sorted(missing))}; "
            f"its first line must name the columns, {','.join(sorted(columns))} among them"
        )
    for row in rows:
        yield f"{path}:{rows.line_num}", row


def csv_columns(path: Path) -> set[str]:
    """Names of the columns of a CSV file; empty if the file cannot be read as one."""
    try:
        return set(_reader(path).fieldnames or ())
    except (VisusError, OSError, csv.Error):
        return set()


def _reader(path: Path) -> "csv.DictReader[str]":
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisusError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    return csv.DictReader(text.splitlines())
