"""Files in YAML: bounded, without tags and duplicate keys, with errors that name the line."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from visus.apps.parsing import CommandError

_MAX_BYTES = 1_000_000
_MAX_VALUES = 10_000
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_PLAIN = {"null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "value"}


def read_mapping(path: Path, noun: str, content: str) -> yaml.MappingNode:
    """The nodes of a file that holds a mapping.

    Aliases are counted as often as they are used, so that a small file cannot become a large one.

    Args:
        path: The file.
        noun: What it is, such as `a configuration`.
        content: What such a file contains, for messages; follows `noun`.

    Raises:
        CommandError: Naming the file and the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > _MAX_BYTES:
        raise CommandError(f"{path}: {len(data):,} bytes are too many for {noun}")
    try:
        root = yaml.compose(data.decode(), yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: is not text in UTF-8, at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise CommandError(f"{path}{line}: is not YAML, {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: is not YAML, {' '.join(str(error).split())}") from None
    except RecursionError:
        raise CommandError(f"{path}: is nested too deeply") from None
    if root is None:
        raise CommandError(f"{path}: is empty; {noun} {content}")
    if not isinstance(root, yaml.MappingNode):
        raise CommandError(f"{path}: is not a mapping; {noun} {content}")
    if _count(root, {}, path, 0) > _MAX_VALUES:
        raise CommandError(f"{path}: holds more than {_MAX_VALUES:,} values, aliases expanded")
    return root


def place(path: Path, node: yaml.Node) -> str:
    """The file and the line of a node."""
    return f"{path}:{node.start_mark.line + 1}"


def _count(node: yaml.Node, sizes: dict[int, int], path: Path, depth: int) -> int:
    """Number of values in a node, which is checked."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise CommandError(f"{place(path, node)}: contains itself")
        return sizes[id(node)]
    if depth > _MAX_DEPTH:
        raise CommandError(f"{place(path, node)}: is nested too deeply")
    sizes[id(node)] = 0
    tag = str(node.tag)
    if tag.removeprefix(_TAG) not in _PLAIN or not tag.startswith(_TAG):
        shown = tag.replace(_TAG, "!!")
        raise CommandError(f"{place(path, node)}: the tag {shown} is not allowed; remove it")
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
            raise CommandError(f"{place(path, key)}: a key must be a name")
        if key.value in seen:
            first = seen[key.value].start_mark.line + 1
            raise CommandError(
                f"{place(path, key)}: the key {key.value!r} is there already, in line {first}; "
                "remove one"
            )
        seen[key.value] = key
