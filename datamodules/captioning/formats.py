"""File formats of captions: Flickr8k, CSV, and JSON of COCO, Karpathy or a plain list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visus.datamodules.captioning.json_formats import Entry, read_json_entries
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.tables import read_table
from visus.datamodules.core.text_files import read_text
from visus.vision.csv_files import csv_columns
from visus.vision.errors import VisusError

_SAMPLE = 2**16
"""Bytes at the beginning and at the end of a file that show whether it holds captions."""

_KEYS = (b'"caption"', b'"captions"', b'"sentences"')


@dataclass
class SplitLists:
    """Flickr8k's lists of the images of each split.

    Attributes:
        files: The lists.
        splits: The split of each image by its name.
        places: Where each image is listed.
        problems: Names in several lists, and lists that cannot be read.
    """

    files: list[Path] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def caption_files(root: Path) -> list[Path]:
    """The files of captions in a folder, sorted, or the file itself."""
    if root.is_file():
        return [root] if root.suffix.lower() in {".csv", ".json", ".txt"} else []
    if not root.is_dir():
        return []
    candidates = [*root.iterdir(), *root.glob("annotations/*")]
    return sorted(path for path in candidates if path.is_file() and looks_like_captions(path))


def looks_like_captions(path: Path) -> bool:
    """Whether the header of a table, or the first and last bytes of a file are of captions."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return "caption" in csv_columns(path)
    if suffix not in {".json", ".txt"}:
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_SAMPLE)
            # COCO's captions follow its list of images.
            file.seek(-min(_SAMPLE, path.stat().st_size), 2)
            end = file.read()
    except OSError:
        return False
    if suffix == ".json":
        return any(key in part for part in (start, end) for key in _KEYS)
    return b"#0\t" in start.split(b"\n")[0] or {"image", "caption"} <= csv_columns(path)


def read_entries(path: Path) -> tuple[list[Entry], list[Problem]]:
    """The captions in a file, in order, and its problems."""
    try:
        if path.suffix.lower() == ".json":
            return read_json_entries(path, _split_of(path))
        with path.open("rb") as file:
            tabbed = b"\t" in file.readline(_SAMPLE) and path.suffix.lower() == ".txt"
        return _read_tokens(path) if tabbed else _read_csv(path)
    except VisusError as error:
        message = str(error).removeprefix(f"{path}: ")
        return [], [Problem(str(path), message, "fatal")]


def _split_of(path: Path) -> str:
    """The split in the name of a file, such as `captions_train2017.json`; empty if none."""
    words = path.stem.lower().replace("-", "_").split("_")
    stems = [word.rstrip("0123456789") for word in words]
    return next((SPLIT_NAMES[stem] for stem in stems if stem in SPLIT_NAMES), "")


def _read_tokens(path: Path) -> tuple[list[Entry], list[Problem]]:
    """Flickr8k's own file: `name#number`, a tab, the caption."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        key, tab, caption = line.partition("\t")
        name, _, index = key.rpartition("#")
        if tab and name and index.isdecimal():
            entries.append(Entry(name, caption, "", place))
        else:
            message = f"{shown(key)} is not NAME#NUMBER, a tab and a caption; write it so"
            problems.append(Problem(place, message, "error"))
    return entries, problems


def _read_csv(path: Path) -> tuple[list[Entry], list[Problem]]:
    rows, problems = read_table(path, {"image", "caption"}, {"split"}, texts={"caption"})
    # Without the name of its column, the splits would be words of the captions.
    starts = {row["caption"].partition(",")[0].strip().lower() for _, row in rows}
    if rows and starts <= {"", *SPLIT_NAMES}:
        raise VisusError("its captions begin with splits; name the column split in the first line")
    split = _split_of(path)
    entries = []
    for place, row in rows:
        stated = row["split"].lower()
        stated = SPLIT_NAMES.get(stated, stated) or split
        entries.append(Entry(row["image"], row["caption"], stated, place))
    return entries, problems


def flickr_splits(folder: Path) -> SplitLists:
    """The splits in Flickr8k's lists of each split."""
    lists = SplitLists()
    for word, split in (("train", "train"), ("dev", "val"), ("test", "test")):
        for path in sorted(folder.glob(f"*{word}Images.txt")):
            lists.files.append(path)
            try:
                names: Sequence[str] = read_text(path).split("\n")
            except VisusError as error:
                lists.problems.append(Problem(str(path), str(error), "fatal"))
                continue
            for number, line in enumerate(names, 1):
                name, place = line.strip(), f"{path}:{number}"
                if not name:
                    continue
                if lists.splits.setdefault(name, split) != split:
                    message = (
                        f"{shown(name)} is in the list {lists.places[name]} too; remove one of them"
                    )
                    lists.problems.append(Problem(place, message, "fatal"))
                lists.places.setdefault(name, place)
    return lists
