"""The classes of masks: their names, and which numbers or colours of a mask stand for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.csv_files import csv_rows
from visus.vision.colours import Colour
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE

MOST_CLASSES = 255
"""Class ids take one byte, and its last value stands for pixels of no class."""


@dataclass(frozen=True)
class ClassTable:
    """What the values of masks mean.

    Attributes:
        names: One for each class id, in order.
        ids: The class id, or `IGNORE`, of each value; a value is a mask's number, or its colour as
            red * 65536 + green * 256 + blue.
        by_colour: Whether values are colours.
        colours: To draw each class with; None where the data set names none.
    """

    names: tuple[str, ...]
    ids: Mapping[int, int]
    by_colour: bool = False
    colours: tuple[Colour, ...] | None = None

    def to_ids(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask's class ids, uint8 (height, width); an unknown value becomes `IGNORE`.

        Args:
            mask: As `visus.vision.images.read_mask` reads it.
        """
        known = np.array(sorted(self.ids), np.int64)
        classes = np.array([self.ids[int(value)] for value in known], np.uint8)
        if not self.by_colour:
            table = np.full(256, IGNORE, np.uint8)
            table[known] = classes
            return table[mask]
        values = packed(mask)
        places = np.searchsorted(known, values).clip(0, len(known) - 1)
        return np.where(known[places] == values, classes[places], np.uint8(IGNORE))

    def renumbered(self, names: Sequence[str]) -> "ClassTable":
        """The same values for classes in another order, as a checkpoint states them.

        Raises:
            VisusError: If a class of the table is not among the names.
        """
        strangers = [name for name in self.names if name not in names]
        if strangers:
            raise VisusError(
                f"unknown class {', '.join(strangers)!r}; the model knows {', '.join(names)}"
            )
        new = {i: list(names).index(name) for i, name in enumerate(self.names)}
        ids = {value: new.get(number, IGNORE) for value, number in self.ids.items()}
        known = dict(zip(self.names, self.colours or (), strict=False))
        colours = tuple(known[name] for name in names if name in known)
        whole = colours if colours and len(colours) == len(names) else None
        return ClassTable(tuple(names), ids, self.by_colour, whole)


def packed(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Colours (height, width, 3) as one number each."""
    # One channel at a time: a large mask would fill the memory otherwise.
    red, green, blue = (mask[..., i].astype(np.int32) for i in range(3))
    return (red << 16) | (green << 8) | blue


def numbered_classes(names: Sequence[str], ignore: int | None) -> ClassTable:
    """Classes whose masks hold their ids, 0 for the first."""
    if len(names) > MOST_CLASSES:
        raise VisusError(f"{len(names)} classes, at most {MOST_CLASSES} are possible")
    ids = {number: number for number in range(len(names))}
    if ignore is not None:
        _check_ignored(ignore)
        ids[ignore] = IGNORE
    return ClassTable(tuple(names), ids)


def read_class_table(path: Path, ignore: int | str | None) -> ClassTable:
    """Read a `classes.csv`.

    Args:
        path: A CSV with the column `name`, a class a line, and perhaps `value`, the number that
            stands for it in masks, and `colour`, as `#rrggbb` or `r g b`. With colours and no
            values masks hold the colours; with neither they hold the line's number from 0.
        ignore: The number, or the name of the class, that is neither learnt nor counted.

    Raises:
        VisusError: If a line cannot be understood, or two share a name, value or colour.
    """
    rows = list(csv_rows(path, {"name"}))
    columns = set(rows[0][1]) if rows else set()
    by_colour = "colour" in columns and "value" not in columns
    names: list[str] = []
    colours: list[Colour] = []
    ids: dict[int, int] = {}
    for line, (place, row) in enumerate(rows):
        name = (row["name"] or "").strip()
        if not name or name in names:
            raise VisusError(f"{place}: the name {name!r} is {'doubled' if name else 'missing'}")
        colour = _colour(row["colour"] or "", place) if "colour" in columns else None
        value = line
        if by_colour and colour is not None:
            value = colour[0] << 16 | colour[1] << 8 | colour[2]
        elif "value" in columns:
            value = _number(row["value"] or "", place)
        if isinstance(ignore, int) and value == ignore != IGNORE and not by_colour:
            ids[value] = IGNORE
            continue
        if value in ids:
            told = "colour" if by_colour else f"value {value}"
            raise VisusError(f"{place}: {name!r} has the {told} of another class; give it its own")
        if name == ignore:
            ids[value] = IGNORE
            continue
        ids[value] = len(names)
        names.append(name)
        if colour is not None:
            colours.append(colour)
    if isinstance(ignore, str) and IGNORE not in ids.values():
        raise VisusError(f"data.ignore {ignore!r} is no class of {path}; there: {', '.join(names)}")
    if len(names) > MOST_CLASSES:
        raise VisusError(f"{path}: {len(names)} classes, at most {MOST_CLASSES} are possible")
    if isinstance(ignore, int) and not by_colour:
        _check_ignored(ignore)
        # The usual value may be a class; then it is one.
        ids.setdefault(ignore, IGNORE)
    elif isinstance(ignore, int) and ignore != IGNORE:
        raise VisusError(
            f"data.ignore {ignore}: the masks of {path} hold colours, not numbers; name the class"
        )
    return ClassTable(tuple(names), ids, by_colour, tuple(colours) if colours else None)


def _check_ignored(value: int) -> None:
    if not 0 <= value <= 255:
        raise VisusError(f"data.ignore {value} must lie between 0 and 255, as the values of masks")


def _colour(text: str, place: str) -> Colour:
    text = text.strip()
    try:
        if text.startswith("#") and len(text) == 7:
            values = list(bytes.fromhex(text[1:]))
        else:
            values = [int(part) for part in text.replace(",", " ").split()]
        if len(values) != 3 or not all(0 <= value <= 255 for value in values):
            raise ValueError
    except ValueError:
        raise VisusError(
            f"{place}: colour {text!r} is none; write it as #rrggbb, or as three numbers to 255"
        ) from None
    return values[0], values[1], values[2]


def _number(text: str, place: str) -> int:
    if not text.strip().isdecimal() or int(text) > 255:
        raise VisusError(f"{place}: value {text.strip()!r} must be a whole number from 0 to 255")
    return int(text)
