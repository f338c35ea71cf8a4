"""Read the labels of class folders or a CSV."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from visus.datamodules.core.class_labels import parse_labels
from visus.datamodules.core.collection import collection_paused
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.named_folders import (
    files_in,
    find_named_folders,
    is_split,
    subfolders,
)
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.shards.samples import ShardFile
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.tables import read_table
from visus.vision.csv_files import csv_columns
from visus.vision.errors import VisusError
from visus.vision.image_files import (
    ARRAY_EXTENSION,
    folders_listed_once,
    iterate_images,
    list_files,
)

_MASK_FOLDER = re.compile(r"masks?$|^labels?$|^segmentation(class|object)$|annot(ations?)?$")
_MASK_ENDING = re.compile(r"_(mask|L)$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its labels.

    Attributes:
        file: The image file; a string takes less memory than a `Path`.
        labels: Names of its classes; one, unless the data set is multi-label.
        split: One of `SPLIT_NAMES`, or empty if the data set does not state one; `train`, `val`,
            `test` or empty once it is checked.
        place: Where the label is defined, for messages: the image file, or the label file and the
            line in it.
        content: `content_hash` of the file; empty before it is checked.
        size: (height, width) in pixels; (0, 0) before it is checked.
        stored: Where the image lies, if that is a shard; `file` is its name then.
        group: What the image has in common with others, such as a patient: a hold-out keeps them
            on one side. Empty for none.
    """

    file: Path | str
    labels: tuple[str, ...]
    split: str
    place: str
    content: str = ""
    size: tuple[int, int] = (0, 0)
    stored: ShardFile | None = None
    group: str = ""

    def __reduce__(self) -> tuple[type["Sample"], tuple[object, ...]]:
        # Takes 0.6 of the time of pickling a data class with slots; there may be a million.
        values = (self.file, self.labels, self.split, self.place)
        return Sample, (*values, self.content, self.size, self.stored, self.group)

    def checked(self, content: str, size: tuple[int, int]) -> "Sample":
        """The sample with what the check of its image found, see the attributes."""
        # Takes 0.4 of the time of `dataclasses.replace`.
        own = (self.file, self.labels, self.split, self.place)
        return Sample(*own, content, size, self.stored, self.group)

    @property
    def path(self) -> Path:
        """The image file."""
        return Path(self.file)

    @property
    def image_source(self) -> Path | str | ShardFile:
        """What the image is decoded from."""
        return self.stored or self.file


@dataclass(frozen=True)
class Labels:
    """The labels of a data set, before its images are checked.

    Attributes:
        samples: All samples.
        problems: Problems of the labels, such as a line that cannot be read.
        multi_label: Whether an image may have several labels.
        empty: Names of classes without images.
    """

    samples: Sequence[Sample]
    problems: Sequence[Problem] = ()
    multi_label: bool = False
    empty: Sequence[str] = ()


def read_labels(root: Path, allow_outside: bool = False) -> Labels:
    """Read the labels of the user's own data set.

    Args:
        root: A folder of class folders, a folder of splits (`train`, `val`, `test`) of class
            folders, a folder with a `labels.csv`, or a CSV with the columns `path`, `label`
            (several labels separated by `|`) and optionally `split` and `group`; paths are
            relative to the CSV.
        allow_outside: Whether the CSV may name images outside of its folder.

    Raises:
        VisusError: If there is no such folder or file, or the CSV lacks a column.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return _read_csv(root, root, allow_outside)
    if (root / "labels.csv").is_file():
        return _read_csv(root / "labels.csv", root, allow_outside)
    if root.is_dir():
        return _read_folders(root)
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def is_labels(path: Path) -> bool:
    """Whether a path is a CSV of labels, or a folder with a `labels.csv`."""
    file = path / "labels.csv" if path.is_dir() else path
    return file.suffix.lower() == ".csv" and {"path", "label"} <= csv_columns(file)


def has_class_folders(path: Path) -> bool:
    """Whether a path is a folder of class folders with images, or of splits of such folders."""
    if not path.is_dir():
        return False
    return any(
        any(iterate_images(folder))
        for folder in subfolders(path)
        # Splits without class folders: images that have no labels.
        if folder.name.lower() not in SPLIT_NAMES or is_split(folder)
    )


@collection_paused()
@folders_listed_once()
def _read_folders(root: Path) -> Labels:
    folders, problems, unread = find_named_folders(root)
    labels = {folder: (folder.name,) for _, folder in folders}
    samples = [
        Sample(path, labels[folder], split, path)
        for split, folder, path in files_in(folders, list_files(root).images)
        if not path.lower().endswith(ARRAY_EXTENSION)
    ]
    filled = {sample.labels[0] for sample in samples}
    empty = sorted({folder.name for _, folder in folders} - filled)
    problems += unread_files(root, [*(sample.file for sample in samples), *unread])
    problems += _check_masks([folder for _, folder in folders], samples)
    return Labels(samples, problems, empty=empty)


def _check_masks(folders: Sequence[Path], samples: Sequence[Sample]) -> list[Problem]:
    """A problem where a folder holds the masks of another one's images."""
    suspects = [folder for folder in folders if _MASK_FOLDER.search(folder.name.lower())]
    if not suspects:
        return []
    stems: dict[Path, set[str]] = defaultdict(set)
    for sample in samples:
        stems[sample.path.parent].add(_MASK_ENDING.sub("", sample.path.stem))
    for folder in suspects:
        own = stems.get(folder)
        for other, theirs in stems.items():
            if own and other != folder and own <= theirs and _are_masks(folder):
                message = (
                    f"holds masks of the images in {other.name}, not images of a class; for "
                    "segmentation rename the folders to masks and images"
                )
                return [Problem(str(folder), message, "fatal")]
    return []


def _are_masks(folder: Path) -> bool:
    """Whether the first image of a folder has values or a palette, as masks have."""
    path = next((Path(each) for each in list_files(folder).images), None)
    if path is None or path.suffix.lower() != ".png":
        return False
    try:
        with Image.open(path) as image:
            return image.mode in ("1", "L", "P")
    except OSError:
        return False


def _read_csv(path: Path, root: Path, allow_outside: bool) -> Labels:
    samples = []
    several = False
    used: list[Path | str] = [path]
    files = NamedFiles(path.parent, allow_outside)
    rows, problems = read_table(path, {"path", "label"}, {"split", "group"})
    for place, row in rows:
        labels, separated, message = parse_labels(row["label"])
        several |= separated
        try:
            file = files.find(row["path"], [path.parent], anywhere=True)
        except NamedFileError as error:
            problems.append(Problem(place, str(error), "error"))
            continue
        used.append(file)
        if message:
            problems.append(Problem(place, message, "error"))
        else:
            samples.append(Sample(file, labels, row["split"], place, group=row["group"]))
    problems += unread_files(root, used)
    return Labels(samples, problems, several)
