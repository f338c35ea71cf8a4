"""Checks of configuration files, before anything slow is imported."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from visus.apps.parsing import CommandError, did_you_mean

SECTIONS = (
    *("model", "data", "trainer", "optimizer", "lr_scheduler"),
    *("seed_everything", "init_from"),
)
"""The keys of a configuration."""

_MAX_BYTES = 1_000_000
_MAX_VALUES = 10_000
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_PLAIN = {"null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "value"}


def check_config(path: Path) -> None:
    """Refuse a file that is no configuration.

    Aliases are counted as often as they are used, so that a small file cannot become a large one.

    Args:
        path: A YAML file.

    Raises:
        CommandError: Naming the file, the line and the key.
    """
    content = path.read_bytes()
    if len(content) > _MAX_BYTES:
        raise CommandError(f"{path}: {len(content):,} bytes are too many for a configuration")
    try:
        root = yaml.compose(content.decode(), yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: is no text in UTF-8, at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise CommandError(f"{path}{line}: is no YAML, {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: is no YAML, {' '.join(str(error).split())}") from None
    except RecursionError:
        raise CommandError(f"{path}: is nested too deeply") from None
    if root is None:
        raise CommandError(f"{path}: is empty; a configuration has the keys {', '.join(SECTIONS)}")
    if not isinstance(root, yaml.MappingNode):
        raise CommandError(f"{path}: is no mapping; its keys are {', '.join(SECTIONS)}")
    if _count(root, {}, path, 0) > _MAX_VALUES:
        raise CommandError(f"{path}: holds more than {_MAX_VALUES:,} values, aliases expanded")
    for key, value in root.value:
        if key.value == "trainer" and not isinstance(value, yaml.MappingNode):
            raise CommandError(f"{_place(path, value)}: trainer is no mapping of its options")
        section = str(key.value).partition(".")[0]
        if section not in SECTIONS:
            near = did_you_mean(section, SECTIONS) or f"; the keys are {', '.join(SECTIONS)}"
            raise CommandError(f"{_place(path, key)}: unknown key {key.value!r}{near}")


def _count(node: yaml.Node, sizes: dict[int, int], path: Path, depth: int) -> int:
    """Number of values in a node, which is checked."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise CommandError(f"{_place(path, node)}: contains itself")
        return sizes[id(node)]
    if depth > _MAX_DEPTH:
        raise CommandError(f"{_place(path, node)}: is nested too deeply")
    sizes[id(node)] = 0
    tag = str(node.tag)
    if tag.removeprefix(_TAG) not in _PLAIN or not tag.startswith(_TAG):
        shown = tag.replace(_TAG, "!!")
        raise CommandError(f"{_place(path, node)}: the tag {shown} is not allowed; remove it")
    if isinstance(node, yaml.MappingNode):
        _refuse_duplicates(node, path)
    total = 1 + sum(_count(child, sizes, path, depth + 1) for child in _children(node))
    sizes[id(node)] = total
    return total


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _refuse_duplicates(node: yaml.MappingNode, path: Path) -> None:
    seen: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise CommandError(f"{_place(path, key)}: a key must be a name")
        if key.value in seen:
            first = seen[key.value].start_mark.line + 1
            raise CommandError(
                f"{_place(path, key)}: the key {key.value!r} is there already, in line {first}; "
                "remove one"
            )
        seen[key.value] = key


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"
