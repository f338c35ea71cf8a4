"""The backbones and their sizes as a table in a file, read without building any network."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

_TABLE = Path(__file__).with_name("backbones.yaml")
"""Written by `docs/make_backbones.py`."""

_HEAD = "# Written by docs/make_backbones.py: parameters, strides and channels of each backbone.\n"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class BackboneRow:
    """A backbone in numbers.

    Attributes:
        name: Its name in the registry, or timm's.
        parameters: Number of parameters of the layers up to its last map, for RGB images.
        strides: See `visus.models.backbones.Backbone.strides`.
        channels: See `visus.models.backbones.Backbone.channels`.
    """

    name: str
    parameters: int
    strides: tuple[int, ...]
    channels: tuple[int, ...]


def read_table(pattern: str = "*") -> list[BackboneRow]:
    """The backbones whose names match a shell pattern; imports neither torch nor timm."""
    content = yaml.load(_TABLE.read_text(encoding="utf-8"), _LOADER)
    return [
        BackboneRow(name, parameters, tuple(strides), tuple(channels))
        for name, (parameters, strides, channels) in content.items()
        if fnmatchcase(name, pattern)
    ]


def write_table(rows: Iterable[BackboneRow]) -> None:
    """Write the file that `read_table` reads."""
    lines = [
        f"{row.name}: [{row.parameters}, {list(row.strides)}, {list(row.channels)}]\n"
        for row in rows
    ]
    _TABLE.write_text(_HEAD + "".join(lines), encoding="utf-8")
