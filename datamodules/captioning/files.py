"""Read images with captions: Flickr8k's text files, Karpathy's and COCO's JSON, or a plain list.

Which of them a folder holds is recognised from its files.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visus.datamodules.core.csv_files import csv_rows
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError
from visus.vision.images import list_images
from visus.vision.vocabulary import tokenise


@dataclass(frozen=True)
class CaptionedImage:
    """One image and what people say of it.

    Attributes:
        path: The file.
        captions: Sentences, one at least.
        split: `train`, `val`, `test`, or empty where the data set states none.
        place: Where its first caption stands.
        content: `content_hash` of the file; empty before it is checked.
    """

    path: Path
    captions: tuple[str, ...]
    split: str
    place: str
    content: str = ""


@dataclass(frozen=True)
class CaptionListing:
    """All images of a data set, good ones only, and all that is wrong with it.

    Attributes:
        images: Those that can be used, in a fixed order.
        problems: What is wrong; the images of errors are not among `images`.
        left_out: How many images that is.
    """

    images: tuple[CaptionedImage, ...]
    problems: tuple[Problem, ...]
    left_out: int


@dataclass(frozen=True)
class _Entry:
    """A caption of an image as a file states it; without a caption None."""

    name: str
    caption: str | None
    split: str
    place: str


def is_captions(root: Path) -> bool:
    """Whether captions stand at that place."""
    return bool(_caption_files(root))


def read_captions(root: Path) -> CaptionListing:
    """Read a data set and decode every image once.

    Args:
        root: A file of captions, or a folder that holds such files: Flickr8k's `captions.txt` or
            `Flickr8k.token.txt`, with its lists of each split where they lie beside it; JSON as
            Karpathy or COCO write it; JSON of a list of `{"image", "captions"}`, or a CSV with the
            columns `image` and `caption`, both perhaps with `split`. A file's own name may state
            its split. Images may lie anywhere below the folder.

    Raises:
        VisusError: If there are no captions at that place, or a file cannot be read as a whole.
    """
    files = _caption_files(root)
    if not files:
        raise VisusError(
            f"data.root {str(root)!r}: holds no captions; it needs a CSV with the columns image "
            "and caption, JSON as COCO or Karpathy write it, or Flickr8k's text files"
        )
    folder = root if root.is_dir() else root.parent
    entries = [entry for path in files for entry in _read(path)]
    listed, problems = _by_image(entries, folder, _flickr_splits(folder))
    checked = []
    for image, check in zip(listed, inspect_images([p.path for p in listed]), strict=True):
        found = check.problems(image.place)
        problems += [replace(p, message=f"{image.path.name}: {p.message}") for p in found]
        if not any(problem.severity == "error" for problem in found):
            checked.append(replace(image, content=check.content))
    kept, doubled = check_copies(checked)
    problems += doubled
    if not kept:
        problems.append(Problem(str(root), "holds no image with a caption", "fatal"))
    left_out = len({entry.name for entry in entries}) - len(kept)
    return CaptionListing(tuple(kept), tuple(problems), left_out)


def _caption_files(root: Path) -> list[Path]:
    """The files of captions at a place, in order."""
    if root.is_file():
        return [root] if root.suffix.lower() in {".csv", ".json", ".txt"} else []
    if not root.is_dir():
        return []
    candidates = [*root.iterdir(), *root.glob("annotations/*")]
    return sorted(path for path in candidates if path.is_file() and _states_captions(path))


def _states_captions(path: Path) -> bool:
    """Whether a file's beginning looks like captions."""
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


def _read(path: Path) -> Iterator[_Entry]:
    if path.suffix.lower() == ".json":
        return _read_json(path)
    with path.open("rb") as file:
        tabbed = b"#0\t" in file.readline()
    return _read_tokens(path) if tabbed else _read_csv(path)


def _split_of(path: Path) -> str:
    """The split that a file's name states, such as `captions_train2017.json`."""
    words = path.stem.lower().replace("-", "_").split("_")
    stems = [word.rstrip("0123456789") for word in words]
    return next((SPLIT_NAMES[stem] for stem in stems if stem in SPLIT_NAMES), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise VisusError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _read_tokens(path: Path) -> Iterator[_Entry]:
    """Flickr8k's own file: `name#number`, a tab, the caption."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, _, caption = line.partition("\t")
        yield _Entry(name.rpartition("#")[0] or name, caption, "", f"{path}:{number}")


def _read_csv(path: Path) -> Iterator[_Entry]:
    for place, row in csv_rows(path, {"image", "caption"}):
        # A caption with commas that nobody quoted falls into columns that have no name.
        unquoted = (row.get(None) or []) if "split" not in row else []  # type: ignore[call-overload]
        caption = ",".join([row["caption"] or "", *unquoted])
        split = (row.get("split") or "").strip().lower()
        yield _Entry(
            (row["image"] or "").strip(),
            caption,
            SPLIT_NAMES.get(split, split) or _split_of(path),
            place,
        )


def _read_json(path: Path) -> Iterator[_Entry]:
    try:
        content: Any = json.loads(_text(path))
    except ValueError as error:
        raise VisusError(f"{path}: is no valid JSON ({error}); write it again") from None
    if isinstance(content, dict) and "annotations" in content:
        yield from _read_coco(path, content)
        return
    items = content.get("images") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise VisusError(f"{path}: holds no list of images; see the page on captioning")
    for number, item in enumerate(items):
        place = f"{path}: entry {number}"
        if not isinstance(item, dict):
            yield _Entry("", None, "", place)
            continue
        name = str(item.get("image") or item.get("filename") or item.get("file_name") or "")
        if item.get("filepath"):
            name = f"{item['filepath']}/{name}"
        told = item.get("captions", item.get("caption", item.get("sentences")))
        split = str(item.get("split") or "").lower()
        # Karpathy's restval are images of COCO's validation that everybody trains on.
        split = "train" if split == "restval" else SPLIT_NAMES.get(split, split) or _split_of(path)
        captions = told if isinstance(told, list) else [] if told is None else [told]
        if not captions:
            yield _Entry(name, None, split, place)
        for caption in captions:
            text = caption.get("raw") if isinstance(caption, dict) else caption
            yield _Entry(name, text if isinstance(text, str) else "", split, place)


def _read_coco(path: Path, content: dict[str, Any]) -> Iterator[_Entry]:
    """COCO's captions: images and annotations by the images' ids."""
    names: dict[Any, str] = {}
    for item in content.get("images") or []:
        names[item.get("id")] = str(item.get("file_name") or "")
    captioned = set()
    for number, item in enumerate(content["annotations"]):
        place = f"{path}: annotation {number}"
        captioned.add(item.get("image_id"))
        name = names.get(item.get("image_id"), f"image of id {item.get('image_id')!r}")
        text = item.get("caption")
        yield _Entry(name, text if isinstance(text, str) else "", _split_of(path), place)
    for identity, name in names.items():
        if identity not in captioned:
            yield _Entry(name, None, _split_of(path), f"{path}: {name}")


def _flickr_splits(folder: Path) -> dict[str, str]:
    """Flickr8k's lists of the images of each split."""
    splits = {}
    for word, split in (("train", "train"), ("dev", "val"), ("test", "test")):
        for path in folder.glob(f"*{word}Images.txt"):
            splits.update({name.strip(): split for name in _text(path).splitlines()})
    return splits


def _by_image(
    entries: Sequence[_Entry], folder: Path, stated: dict[str, str]
) -> tuple[list[CaptionedImage], list[Problem]]:
    """Gather each image's captions, and find its file."""
    found = list_images(folder)
    by_name = {path.name: path for path in reversed(found)}
    by_path = {str(path.relative_to(folder)): path for path in found}
    problems: list[Problem] = []
    captions: dict[tuple[str, str], list[str]] = {}
    places: dict[tuple[str, str], str] = {}
    for entry in entries:
        key = (entry.name, stated.get(entry.name, entry.split))
        places.setdefault(key, entry.place)
        known = captions.setdefault(key, [])
        if entry.caption is not None and not tokenise(entry.caption):
            message = f"an empty caption of {entry.name}; write one, or remove it"
            problems.append(Problem(entry.place, message, "warning"))
        elif entry.caption is not None:
            known.append(" ".join(entry.caption.split()))
    images = []
    for (name, split), told in captions.items():
        place = places[name, split]
        path = by_path.get(name) or by_name.get(Path(name).name)
        if split not in {"", "train", "val", "test"}:
            message = f"split {split!r} is unknown; write train, val or test"
        elif not name:
            message = "names no image"
        elif path is None:
            message = f"there is no image {name!r} below {folder}"
        elif not told:
            message = f"an image without a caption: {name}"
        else:
            images.append(CaptionedImage(path, tuple(told), split, place))
            continue
        problems.append(Problem(place, message, "error"))
    return images, problems
