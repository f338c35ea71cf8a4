"""The list of cameras: sources on the command line, or a YAML file with options for each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from visus.apps.addresses import is_stream, without_secrets
from visus.apps.parsing import CommandError
from visus.apps.yaml_files import place, read_mapping

_NAME = re.compile(r"\w[\w.-]{0,39}")
_CONTENT = "names each camera, with its source: and its options below the name"


@dataclass(frozen=True)
class CameraOption:
    """An option of a camera in a file.

    Attributes:
        place: Its file and line.
        key: Its name, such as `threshold`.
        words: The option as on the command line; empty for a switch that is off.
    """

    place: str
    key: str
    words: Sequence[str]


@dataclass(frozen=True)
class CameraEntry:
    """A camera as it was requested.

    Attributes:
        name: Distinguishes it from the others; part of file names.
        source: A camera's number, an address or a video.
        options: Options for this camera alone.
    """

    name: str
    source: str
    options: Sequence[CameraOption] = ()


def name_cameras(sources: Sequence[str]) -> list[CameraEntry]:
    """Cameras named after their sources: `clip` for `clip.mp4`, `camera0` for `0`, or the host."""
    taken: set[str] = set()
    entries = []
    for source in sources:
        if source.isdecimal():
            stem = f"camera{source}"
        elif is_stream(source):
            stem = re.split(r"[/:]", without_secrets(source).partition("://")[2])[0]
        else:
            stem = Path(source).stem
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:32] or "camera"
        name, attempt = stem, 1
        while name.lower() in taken:
            attempt += 1
            name = f"{stem}-{attempt}"
        taken.add(name.lower())
        entries.append(CameraEntry(name, source))
    return entries


def read_cameras(path: Path) -> list[CameraEntry]:
    """Read a YAML file that names cameras, each with its `source` and its options.

    Raises:
        CommandError: Naming the file, the line and the key.
    """
    root = read_mapping(path, "a file of cameras", _CONTENT)
    if not root.value:
        raise CommandError(f"{path}: is empty; a file of cameras {_CONTENT}")
    taken: dict[str, str] = {}
    entries = []
    for key, node in root.value:
        name = str(key.value)
        if not _NAME.fullmatch(name):
            raise CommandError(
                f"{place(path, key)}: the name {name!r} is part of file names; write up to 40 "
                "letters, digits, dots and hyphens"
            )
        other = taken.setdefault(name.lower(), name)
        if other != name:
            # Some file systems ignore case.
            raise CommandError(f"{place(path, key)}: {name!r} and {other!r} differ in case alone")
        entries.append(_entry(path, name, key, node))
    return entries


def _entry(path: Path, name: str, key: yaml.Node, node: yaml.Node) -> CameraEntry:
    if not isinstance(node, yaml.MappingNode):
        raise CommandError(f"{place(path, key)}: camera {name!r} has no source: below its name")
    source = ""
    options = []
    for option, value in node.value:
        where = place(path, option)
        if option.value == "source":
            if not isinstance(value, yaml.ScalarNode) or not value.value:
                raise CommandError(f"{where}: source is a camera's number, an address or a video")
            source = value.value
        else:
            key_name = str(option.value)
            options.append(CameraOption(where, key_name, _words(path, key_name, value)))
    if not source:
        raise CommandError(f"{place(path, key)}: camera {name!r} has no source: below its name")
    return CameraEntry(name, source, options)


def _words(path: Path, option: str, node: yaml.Node) -> list[str]:
    """An option of a camera as on the command line: `track: true` is `--track`."""
    flag = "--" + option.replace("_", "-")
    if isinstance(node, yaml.SequenceNode):
        return [word for each in node.value for word in _words(path, option, each)]
    if isinstance(node, yaml.MappingNode):
        raise CommandError(f"{place(path, node)}: {option} is a value or a list of values")
    if node.tag == "tag:yaml.org,2002:bool":
        return [flag] if yaml.SafeLoader.bool_values[node.value.lower()] else []
    return [f"{flag}={node.value}"]
