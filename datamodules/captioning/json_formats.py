"""Captions in JSON: the formats of COCO and of Karpathy, and a plain list."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.datamodules.core.json_files import read_json
from visus.datamodules.core.labels import misspelt
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError

_NAMES = ("image", "filename", "file_name")
_CAPTIONS = ("captions", "caption", "sentences")
_KEYS = (*_NAMES, *_CAPTIONS, "filepath", "split")


@dataclass(frozen=True)
class Entry:
    """A caption of an image as a file lists it.

    Attributes:
        name: Name of the image file, perhaps with its folder.
        caption: The caption; None for an image without one.
        split: The split as the file states it; empty if none.
        place: File and line or entry, for messages.
    """

    name: str
    caption: str | None
    split: str
    place: str


def read_json_entries(path: Path, split: str) -> tuple[list[Entry], list[Problem]]:
    """The captions in a JSON file, in order, and its problems.

    Args:
        path: The file.
        split: The split of entries that state none.

    Raises:
        VisusError: If it cannot be read or holds no list of images.
    """
    content = read_json(path)
    problems: list[Problem] = []
    if isinstance(content, dict) and (wrong := misspelt(content, ("images", "annotations"))):
        raise VisusError(wrong)
    if isinstance(content, dict) and "annotations" in content:
        return list(_read_coco(path, content, split, problems)), problems
    items = content.get("images") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise VisusError("holds no list of images; see docs/captioning.md")
    entries: list[Entry] = []
    for number, item in enumerate(items):
        place = f"{path}: entry {number}"
        try:
            entries += _entries(item, split, place, problems)
        except VisusError as error:
            problems.append(Problem(place, str(error), "error"))
    return entries, problems


def _entries(item: Any, split: str, place: str, problems: list[Problem]) -> list[Entry]:
    """The captions of an image of Karpathy's format, or of a plain list.

    Raises:
        VisusError: If it cannot be used; the message names no place.
    """
    if not isinstance(item, dict):
        raise VisusError(f"is {shown(item)}; expected an object with image and captions")
    # Other keys, such as those of ids, are part of the format and not read.
    for keys in (_NAMES, _CAPTIONS):
        if sum(key in item for key in keys) > 1:
            raise VisusError(f"has several of the keys {', '.join(keys)}; keep one")
    if not any(key in item for key in _NAMES) or not any(key in item for key in _CAPTIONS):
        wrong = misspelt(item, _KEYS)
        if wrong:
            raise VisusError(wrong)
    name = next((item[key] for key in _NAMES if key in item), None)
    folder, stated = item.get("filepath", ""), item.get("split")
    if not isinstance(name, str) or not name.strip():
        raise VisusError(f"names no image ({shown(name)})")
    if not isinstance(folder, str) or not isinstance(stated, str | None):
        other = folder if not isinstance(folder, str) else stated
        raise VisusError(f"its filepath or split is {shown(other)}; expected text")
    if wrong := misspelt(item, ("split", "filepath")):
        raise VisusError(wrong)
    name = f"{folder}/{name}" if folder else name
    stated = (stated or "").strip().lower()
    # Karpathy's restval: images of COCO's validation split that are used for training.
    stated = "train" if stated == "restval" else SPLIT_NAMES.get(stated, stated) or split
    given = next((item[key] for key in _CAPTIONS if key in item), None)
    captions = given if isinstance(given, list) else [] if given is None else [given]
    entries = []
    for caption in captions:
        text = caption.get("raw") if isinstance(caption, dict) else caption
        message = _unusable(text)
        if message:
            problems.append(Problem(place, f"{message} of {shown(name)}", "error"))
        else:
            entries.append(Entry(name, text, stated, place))
    return entries if captions else [Entry(name, None, stated, place)]


def _read_coco(
    path: Path, content: dict[str, Any], split: str, problems: list[Problem]
) -> Iterator[Entry]:
    """COCO's format: images, and annotations with the ids of their images."""
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            raise VisusError(f"its {key!r} is not a list; export it again")
    names: dict[str, tuple[str, str]] = {}
    for number, item in enumerate(content["images"]):
        place = f"{path}: images[{number}]"
        identity = item.get("id") if isinstance(item, dict) else None
        name = item.get("file_name") if isinstance(item, dict) else None
        if type(identity) not in (int, str):
            message = f"has no usable id ({shown(identity)}); expected a number"
        elif not isinstance(name, str) or not name.strip():
            message = f"has no usable file_name ({shown(name)})"
        elif _key(identity) in names:
            message = f"has the id {shown(identity)} of another image; ids must be unique"
        else:
            names[_key(identity)] = (name, place)
            continue
        if type(identity) in (int, str):
            # Its captions are not reported as those of an image that is missing.
            names.setdefault(_key(identity), ("", place))
        problems.append(Problem(place, message, "error"))
    captioned = set()
    for number, item in enumerate(content["annotations"]):
        place = f"{path}: annotation {number}"
        identity = item.get("image_id") if isinstance(item, dict) else None
        text = item.get("caption") if isinstance(item, dict) else None
        known = _key(identity) in names
        if known:
            captioned.add(_key(identity))
        message = _unusable(text)
        if not known:
            message = f"refers to the image of id {shown(identity)}, which is not listed"
        if message:
            problems.append(Problem(place, message, "error"))
        elif names[_key(identity)][0]:
            yield Entry(names[_key(identity)][0], text, split, place)
    for key, (name, place) in names.items():
        if key not in captioned and name:
            yield Entry(name, None, split, place)


def _key(identity: object) -> str:
    """An id as a key; a number and its text differ, and so do 1 and true."""
    return f"{type(identity).__name__} {identity!r:.300}"


def _unusable(text: object) -> str:
    """Why a value is not a caption; empty for a caption."""
    if not isinstance(text, str):
        return f"a caption that is {shown(text)}, not text"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return f"a caption that is not valid Unicode, {shown(text)}"
    return ""
