"""CSV files with named columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from visus.vision.errors import VisusError


def csv_rows(path: Path, columns: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a CSV with its place; refuses a file that lacks the columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisusError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    rows = csv.DictReader(text.splitlines())
    missing = columns - set(rows.fieldnames or ())
    if missing:
        raise VisusError(
            f"{path}:1: lacks the column {' and '.join(sorted(missing))}; "
            f"its first line must name the columns, {','.join(sorted(columns))} among them"
        )
    for row in rows:
        yield f"{path}:{rows.line_num}", row
