"""Read CSV files with named columns."""

import csv
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from visus.vision.errors import VisusError

Row = dict[str, str]
"""The values of a row by the column's name, without the spaces around them."""


@dataclass(frozen=True)
class CsvFile:
    """The content of a CSV file.

    Attributes:
        columns: Names of the columns in lower case, in order.
        rows: The place of each row, `FILE:LINE`, and its values.
        problems: The place of each line that is not a row, and why; it is not in `rows`.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Row], ...]
    problems: tuple[tuple[str, str], ...]


def read_csv(path: Path, columns: set[str], texts: Collection[str] = ()) -> CsvFile:
    """Read a CSV file; each line that is damaged is a problem, and the others are read.

    A quote that is not closed ends with its line, so that it does not swallow the lines below.

    Args:
        path: The file, in UTF-8, with the names of the columns in its first line.
        columns: Columns that it must have.
        texts: Columns of free text, whose values may have several lines if they are quoted. If the
            last column is one of them, its commas need no quotes.

    Raises:
        VisusError: If it cannot be read, or lacks a column.
    """
    lines = _Lines(path)
    first = next(lines.records(), (1, [], ""))
    names = tuple(name.strip().lower() for name in first[1])
    missing = columns - set(names)
    if missing:
        raise VisusError(
            f"{path}:{first[0]}: lacks the column {' and '.join(sorted(missing))}; its first line "
            f"must name the columns, separated by commas, {','.join(sorted(columns))} among them"
        )
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise VisusError(f"{path}:{first[0]}: names the column {twice[0]!r} twice; remove one")
    rows: list[tuple[str, Row]] = []
    problems: list[tuple[str, str]] = []
    undecodable: list[int] = []
    for number, fields, message in lines.records():
        blank = not fields or (len(names) > 1 and not any(field.strip() for field in fields))
        if blank and not message:
            continue
        if len(fields) > len(names) and names[-1] in texts:
            last = len(names) - 1
            fields = [*fields[:last], ",".join(fields[last:])]
        row = dict(zip(names, (field.strip() for field in fields), strict=False))
        message = message or _message(row, len(fields), names, texts)
        place = f"{path}:{number}"
        if _is_undecodable(fields):
            undecodable.append(number)
        elif message:
            problems.append((place, message))
        else:
            rows.append((place, row))
    if undecodable:
        many = "is" if len(undecodable) == 1 else f"and {len(undecodable) - 1} more lines are"
        problems.append((f"{path}:{undecodable[0]}", f"{many} not UTF-8; save the file as UTF-8"))
    return CsvFile(names, tuple(rows), tuple(problems))


def csv_columns(path: Path) -> set[str]:
    """Names of the columns of a CSV file in lower case; empty if it cannot be read as one."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first = next(csv.reader([file.readline(_LONGEST_HEADER)]), [])
    except (OSError, ValueError, csv.Error):
        return set()
    names = {name.strip().lower() for name in first}
    return names if all(name.isprintable() and "\ufffd" not in name for name in names) else set()


_LONGEST_HEADER = 2**16


class _Lines:
    """The lines of a file, parsed to records one after another."""

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = error.strerror
            raise VisusError(f"{path}: cannot be read ({reason}); check its permissions") from None
        # Undecodable bytes become surrogates, so that the lines without any can be read.
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        self.lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self.position = 0

    def records(self) -> Iterator[tuple[int, Sequence[str], str]]:
        """The number of the first line of each record, its fields, and why it is none."""
        while self.position < len(self.lines):
            start = self.position
            reader = csv.reader(self._rest(), strict=True)
            try:
                for fields in reader:
                    number, start = start + 1, self.position
                    yield number, fields, ""
            except csv.Error as error:
                message = (
                    f"is not a row of a CSV ({error}); quote values that hold commas or quotes"
                )
                if self.position > start + 1 or self.position >= len(self.lines):
                    message = "opens a quote that is not closed; close it, or remove it"
                self.position = start + 1
                yield start + 1, [], message

    def _rest(self) -> Iterator[str]:
        while self.position < len(self.lines):
            self.position += 1
            yield self.lines[self.position - 1] + "\n"


def _message(row: Row, fields: int, names: Sequence[str], texts: Collection[str]) -> str:
    """Why a row is wrong; empty for a good one."""
    if fields != len(names):
        remedy = "add the missing ones" if fields < len(names) else "quote values with commas"
        return f"has {fields} values, the first line names {len(names)} columns; {remedy}"
    for name, value in row.items():
        breaks = "\n\t" if name in texts else ""
        wrong = [c for c in value if unicodedata.category(c) == "Cc" and c not in breaks]
        if wrong == ["\n"] * len(wrong) and wrong:
            return f"the quotes of its {name!r} enclose {len(wrong) + 1} lines; close them"
        if wrong:
            return f"its {name!r} holds the control character {wrong[0]!r}; remove it"
    return ""


def _is_undecodable(fields: Sequence[str]) -> bool:
    return any("\udc80" <= character <= "\udcff" for field in fields for character in field)
