"""File formats of captions: Flickr8k, CSV, and JSON of COCO, Karpathy or a plain list."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.csv_files import csv_rows
from visus.vision.errors import VisusError


@dataclass(frozen=True)
class Entry:
    """A caption of an image as a file lists it.

    Attributes:
        name: Name of the image file, perhaps with its folder; empty if none is given.
        caption: The caption; None for an image without one.
        split: The split as the file states it; empty if none.
        place: File and line or entry, for messages.
    """

    name: str
    caption: str | None
    split: str
    place: str


def caption_files(root: Path) -> list[Path]:
    """The files of captions in a folder, sorted, or the file itself."""
    if root.is_file():
        return [root] if root.suffix.lower() in {".csv", ".json", ".txt"} else []
    if not root.is_dir():
        return []
    candidates = [*root.iterdir(), *root.glob("annotations/*")]
    return sorted(path for path in candidates if path.is_file() and looks_like_captions(path))


def looks_like_captions(path: Path) -> bool:
    """Whether the first bytes of a file look like captions."""
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".json", ".txt"}:
        return False
    with path.open("rb") as file:
        start = file.read(2**16)
    first = start.splitlines()[0].lower() if start else b""
    if suffix == ".json":
        return b'"caption' in start or b'"sentences"' in start
    if suffix == ".csv":
        return b"caption" in first
    return b"#0\t" in first or first.strip().replace(b" ", b"") == b"image,caption"


def read_entries(path: Path) -> Iterator[Entry]:
    """The captions in a file, in order.

    Raises:
        VisusError: If the file cannot be read.
    """
    if path.suffix.lower() == ".json":
        return _read_json(path)
    with path.open("rb") as file:
        tabbed = b"#0\t" in file.readline()
    return _read_tokens(path) if tabbed else _read_csv(path)


def _split_of(path: Path) -> str:
    """The split in the name of a file, such as `captions_train2017.json`; empty if none."""
    words = path.stem.lower().replace("-", "_").split("_")
    stems = [word.rstrip("0123456789") for word in words]
    return next((SPLIT_NAMES[stem] for stem in stems if stem in SPLIT_NAMES), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisusError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _read_tokens(path: Path) -> Iterator[Entry]:
    """Flickr8k's own file: `name#number`, a tab, the caption."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, _, caption = line.partition("\t")
        yield Entry(name.rpartition("#")[0] or name, caption, "", f"{path}:{number}")


def _read_csv(path: Path) -> Iterator[Entry]:
    for place, row in csv_rows(path, {"image", "caption"}):
        # A caption with unquoted commas continues in columns without a name.
        unquoted = (row.get(None) or []) if "split" not in row else []  # type: ignore[call-overload]
        caption = ",".join([row["caption"] or "", *unquoted])
        split = (row.get("split") or "").strip().lower()
        yield Entry(
            (row["image"] or "").strip(),
            caption,
            SPLIT_NAMES.get(split, split) or _split_of(path),
            place,
        )


def _read_json(path: Path) -> Iterator[Entry]:
    try:
        content: Any = json.loads(_text(path))
    except ValueError as error:
        raise VisusError(f"{path}: is not valid JSON ({error}); write it again") from None
    if isinstance(content, dict) and "annotations" in content:
        yield from _read_coco(path, content)
        return
    items = content.get("images") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise VisusError(f"{path}: holds no list of images; see docs/captioning.md")
    for number, item in enumerate(items):
        place = f"{path}: entry {number}"
        if not isinstance(item, dict):
            yield Entry("", None, "", place)
            continue
        name = str(item.get("image") or item.get("filename") or item.get("file_name") or "")
        if item.get("filepath"):
            name = f"{item['filepath']}/{name}"
        given = item.get("captions", item.get("caption", item.get("sentences")))
        split = str(item.get("split") or "").lower()
        # Karpathy's restval: images of COCO's validation split that are used for training.
        split = "train" if split == "restval" else SPLIT_NAMES.get(split, split) or _split_of(path)
        captions = given if isinstance(given, list) else [] if given is None else [given]
        if not captions:
            yield Entry(name, None, split, place)
        for caption in captions:
            text = caption.get("raw") if isinstance(caption, dict) else caption
            yield Entry(name, text if isinstance(text, str) else "", split, place)


def _read_coco(path: Path, content: dict[str, Any]) -> Iterator[Entry]:
    """COCO's format: images, and annotations with the ids of their images."""
    names: dict[Any, str] = {}
    for item in content.get("images") or []:
        names[item.get("id")] = str(item.get("file_name") or "")
    captioned = set()
    for number, item in enumerate(content["annotations"]):
        place = f"{path}: annotation {number}"
        captioned.add(item.get("image_id"))
        name = names.get(item.get("image_id"), f"image of id {item.get('image_id')!r}")
        text = item.get("caption")
        yield Entry(name, text if isinstance(text, str) else "", _split_of(path), place)
    for identity, name in names.items():
        if identity not in captioned:
            yield Entry(name, None, _split_of(path), f"{path}: {name}")


def flickr_splits(folder: Path) -> dict[str, str]:
    """Splits by image name, from Flickr8k's list of each split."""
    splits = {}
    for word, split in (("train", "train"), ("dev", "val"), ("test", "test")):
        for path in folder.glob(f"*{word}Images.txt"):
            splits.update({name.strip(): split for name in _text(path).splitlines()})
    return splits
