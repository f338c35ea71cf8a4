"""The classes of masks: their names, and the values or colours that encode them in masks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.tables import read_table
from visus.vision.colours import Colour
from visus.vision.csv_files import csv_columns
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE

MAX_CLASSES = 255
"""Class ids are stored in one byte, whose last value marks unlabelled pixels."""

_COLOUR_COLUMNS = (("colour",), ("color",), ("r", "g", "b"))
"""Columns of `classes.csv` that state a colour, the first of these that it has."""

_LONGEST_NAME = 255
"""Characters of a class name; longer ones are damaged lines."""


@dataclass(frozen=True)
class ClassTable:
    """The meaning of the values in masks.

    Attributes:
        names: One for each class id, in order.
        ids: The class id, or `IGNORE`, of each value; a value is a number in a mask, or a colour as
            red * 65536 + green * 256 + blue.
        by_colour: Whether values are colours.
        colours: Colour of each class in drawings; None where the data set defines none.
    """

    names: tuple[str, ...]
    ids: Mapping[int, int]
    by_colour: bool = False
    colours: tuple[Colour, ...] | None = None

    def to_ids(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The class ids of a mask, uint8 (height, width); unknown values become `IGNORE`.

        Args:
            mask: As `visus.vision.images.read_mask` reads it.
        """
        known = np.array(sorted(self.ids), np.int64)
        classes = np.array([self.ids[int(value)] for value in known], np.uint8)
        if not self.by_colour:
            table = np.full(256, IGNORE, np.uint8)
            table[known] = classes
            return table[mask]
        values = pack_colours(mask)
        positions = np.searchsorted(known, values).clip(0, len(known) - 1)
        return np.where(known[positions] == values, classes[positions], np.uint8(IGNORE))

    def reordered(self, names: Sequence[str]) -> "ClassTable":
        """The same values for classes in another order, such as that of a checkpoint.

        Raises:
            VisusError: If a class of the table is not among the names.
        """
        unknown = [name for name in self.names if name not in names]
        if unknown:
            raise VisusError(
                f"unknown class {', '.join(unknown)!r}; the model knows {', '.join(names)}"
            )
        new = {i: list(names).index(name) for i, name in enumerate(self.names)}
        ids = {value: new.get(class_id, IGNORE) for value, class_id in self.ids.items()}
        known = dict(zip(self.names, self.colours or (), strict=False))
        colours = tuple(known[name] for name in names if name in known)
        complete = colours if colours and len(colours) == len(names) else None
        return ClassTable(tuple(names), ids, self.by_colour, complete)


def pack_colours(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Colours (height, width, 3) as one number each."""
    # One channel at a time: a large mask would fill the memory otherwise.
    red, green, blue = (mask[..., i].astype(np.int32) for i in range(3))
    return (red << 16) | (green << 8) | blue


def numbered_classes(names: Sequence[str], ignore: int | None) -> ClassTable:
    """The table of masks that hold class ids, 0 for the first name.

    Raises:
        VisusError: If there are too many classes, or `ignore` is not a value of a mask.
    """
    if len(names) > MAX_CLASSES:
        raise VisusError(f"{len(names)} classes, at most {MAX_CLASSES} are possible")
    ids = {class_id: class_id for class_id in range(len(names))}
    if ignore is not None:
        _check_ignored(ignore)
        ids[ignore] = IGNORE
    return ClassTable(tuple(names), ids)


def read_class_table(path: Path, ignore: int | str | None) -> tuple[ClassTable, list[Problem]]:
    """Read a `classes.csv`.

    Args:
        path: A CSV with the column `name`, one class per line, and optionally `value`, the number
            of the class in masks, and `colour` or `color`, as `#rrggbb` or `r g b`, or `r`, `g`
            and `b`. With colours and no values masks hold the colours; with neither they hold the
            line's number from 0. Roboflow calls the two first columns `class` and `pixel value`.
        ignore: The number, or the name of the class, of unlabelled pixels.

    Returns:
        The table; and the problems of the file, with any of which but warnings the masks cannot
        be read: a line that is invalid, or two with the same name, value or colour.

    Raises:
        VisusError: If the file cannot be read or has no names, or `ignore` is none of them.
    """
    given = csv_columns(path)
    colour_columns = next((each for each in _COLOUR_COLUMNS if given.issuperset(each)), ())
    is_roboflow = {"class", "pixel value"} <= given
    name_column, value_column = ("class", "pixel value") if is_roboflow else ("name", "value")
    rows, problems = read_table(path, {name_column}, {value_column, *colour_columns})
    has_values = value_column in given
    by_colour = bool(colour_columns) and not has_values
    names: list[str] = []
    colours: list[Colour] = []
    ids: dict[int, int] = {}
    for line, (place, row) in enumerate(rows):
        name = row[name_column]
        message = ""
        is_moved = place != f"{path}:{line + 2}"
        if is_moved and not problems and not colour_columns and not has_values:
            message = "a line above is missing or has no name, so that the numbers are unknown"
        elif not name or name in names or len(name) > _LONGEST_NAME:
            reason = "a duplicate" if name in names else "too long" if name else "empty"
            message = f"the name {shown(name)} is {reason}"
        colour_text = " ".join(row[column] for column in colour_columns)
        colour = _parse_colour(colour_text) if colour_columns else None
        number = _parse_value(row[value_column]) if has_values else line
        if colour_columns and colour is None:
            message = message or (
                f"invalid colour {shown(colour_text)}; write #rrggbb, or three numbers from 0 to "
                "255"
            )
        elif number is None:
            value_text = shown(row[value_column])
            message = message or f"value {value_text} must be a whole number from 0 to 255"
        if message:
            problems.append(Problem(place, message, "fatal"))
            continue
        value = number or 0
        if by_colour and colour is not None:
            value = colour[0] << 16 | colour[1] << 8 | colour[2]
        if isinstance(ignore, int) and value == ignore != IGNORE and not by_colour:
            ids[value] = IGNORE
            continue
        if value in ids:
            key = "colour" if by_colour else f"value {value}"
            message = f"{shown(name)} has the {key} of another class; make it unique"
            problems.append(Problem(place, message, "fatal"))
            continue
        if name == ignore:
            ids[value] = IGNORE
            continue
        ids[value] = len(names)
        names.append(name)
        if colour is not None:
            colours.append(colour)
    problems = [replace(p, severity="fatal") if p.severity == "error" else p for p in problems]
    if isinstance(ignore, str) and IGNORE not in ids.values():
        message = f"data.ignore {ignore!r} is not a class of it; it has {', '.join(names)}"
        problems.append(Problem(str(path), message, "fatal"))
    if not 0 < len(names) <= MAX_CLASSES:
        message = f"holds {len(names)} classes; 1 to {MAX_CLASSES} are possible"
        problems.append(Problem(str(path), message, "fatal"))
    if isinstance(ignore, int) and not by_colour:
        _check_ignored(ignore)
        # The default value may be that of a class, which takes precedence.
        ids.setdefault(ignore, IGNORE)
    elif isinstance(ignore, int) and ignore != IGNORE:
        raise VisusError(
            f"data.ignore {ignore}: the masks of {path} hold colours, not numbers; name the class"
        )
    return ClassTable(tuple(names), ids, by_colour, tuple(colours) if colours else None), problems


def _check_ignored(value: int) -> None:
    if not 0 <= value <= 255:
        raise VisusError(f"data.ignore {value} must be a value of masks, from 0 to 255")


def _parse_colour(text: str) -> Colour | None:
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        values = list(bytes.fromhex(text[1:]))
    else:
        numbers = [_parse_value(part) for part in text.replace(",", " ").split()]
        values = [number for number in numbers if number is not None]
        if len(numbers) != 3 or len(values) != 3:
            return None
    return values[0], values[1], values[2]


def _parse_value(text: str) -> int | None:
    # `int` would accept `1_0`, and digits of other scripts.
    return int(text) if re.fullmatch("[0-9]{1,3}", text) and int(text) <= 255 else None
