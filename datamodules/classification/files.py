"""Read the labels of class folders or a CSV, and check the files of any classification data."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.core.images import inspect_images
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.csv_files import csv_columns, csv_rows
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images


@dataclass(frozen=True)
class Sample:
    """One image and its labels.

    Attributes:
        path: The image file.
        labels: Names of its classes; one, unless the data set is multi-label.
        split: One of `SPLIT_NAMES`, or empty if the data set does not state one; `train`, `val`,
            `test` or empty once it is checked.
        place: Where the label is defined, for messages: the image file, or the label file and the
            line in it.
        content: `content_hash` of the file; empty before it is checked.
        size: (height, width) in pixels; (0, 0) before it is checked.
    """

    path: Path
    labels: tuple[str, ...]
    split: str
    place: str
    content: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Listing:
    """The checked samples of a data set, and its problems.

    Attributes:
        samples: The samples without errors, in a fixed order.
        class_names: All classes, in order.
        multi_label: Whether an image may have several labels.
        problems: All problems; `samples` does not include the samples of errors.
        left_out: Number of samples that were left out.
    """

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    multi_label: bool
    problems: tuple[Problem, ...]
    left_out: int


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


def read_listing(root: Path, class_names: Sequence[str] | None = None) -> Listing:
    """Read the user's own data set and check every image.

    Args:
        root: See `read_labels`.
        class_names: See `check_labels`.

    Raises:
        VisusError: If there is no such folder or file, or the CSV lacks a column.
    """
    return check_labels(read_labels(root), root, class_names)


def read_labels(root: Path) -> Labels:
    """Read the labels of the user's own data set.

    Args:
        root: A folder of class folders, a folder of splits (`train`, `val`, `test`) of class
            folders, a folder with a `labels.csv`, or a CSV with the columns `path`, `label`
            (several labels separated by `|`) and optionally `split`; paths are relative to the
            CSV.

    Raises:
        VisusError: If there is no such folder or file, or the CSV lacks a column.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return _read_csv(root)
    if (root / "labels.csv").is_file():
        return _read_csv(root / "labels.csv")
    if root.is_dir():
        return _read_folders(root)
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def check_labels(labels: Labels, root: Path, class_names: Sequence[str] | None = None) -> Listing:
    """Decode every image; find duplicates, unknown labels and splits, and empty classes.

    Args:
        labels: The labels.
        root: Where they were read from, for messages.
        class_names: The classes of a checkpoint, in order: other labels are errors, missing
            classes are not. None to take the classes from the labels.
    """
    problems, empty = list(labels.problems), labels.empty
    listed = len(labels.samples) + sum(problem.severity == "error" for problem in problems)
    samples, unknown = _normalise_splits(labels.samples)
    problems += unknown
    labelled = sorted({label for sample in samples for label in sample.labels} | set(empty))
    names = tuple(class_names) if class_names else tuple(labelled)
    if class_names is None:
        problems += [
            Problem(name, "an empty class: no image in it; fill or remove it", "error")
            for name in empty
        ]
        names = tuple(name for name in labelled if name not in empty)
        if len(names) < 2:
            problems.append(_too_few_classes(root, names))
    known = set(names)
    problems += [
        Problem(
            s.place,
            f"unknown label {', '.join(sorted(set(s.labels) - known))!r}; "
            f"the model knows {', '.join(names)}",
            "error",
        )
        for s in samples
        if not known.issuperset(s.labels)
    ]
    checked, broken = _check_files([s for s in samples if known.issuperset(s.labels)])
    good, duplicates = _check_duplicates(checked)
    problems += broken + duplicates
    if not good:
        problems.append(Problem(str(root), "holds no readable image; check the path", "fatal"))
    return Listing(tuple(good), names, labels.multi_label, tuple(problems), listed - len(good))


def _normalise_splits(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Give the splits their standard names; returns the samples, and problems for unknown names."""
    known, problems = [], []
    names = {"": "", **SPLIT_NAMES}
    for sample in samples:
        split = names.get(sample.split.strip().lower())
        if split is None:
            message = f"unknown split {sample.split!r}; use {', '.join(SPLIT_NAMES)}"
            problems.append(Problem(sample.place, message, "error"))
        else:
            known.append(replace(sample, split=split))
    return known, problems


def is_labels(path: Path) -> bool:
    """Whether a path is a CSV of labels, or a folder with a `labels.csv`."""
    file = path / "labels.csv" if path.is_dir() else path
    return file.suffix.lower() == ".csv" and {"path", "label"} <= csv_columns(file)


def has_class_folders(path: Path) -> bool:
    """Whether a path is a folder of class folders with images, or of splits of such folders."""
    if not path.is_dir():
        return False
    filled = [folder for folder in _subfolders(path) if list_images(folder)]
    # Splits without class folders: images that have no labels.
    return any(folder.name.lower() not in SPLIT_NAMES or _is_split(folder) for folder in filled)


def _too_few_classes(root: Path, names: Sequence[str]) -> Problem:
    classes = f"one class ({names[0]})" if names else "no class"
    return Problem(
        str(root),
        f"holds {classes}; a classifier needs at least two: a folder of images for each class",
        "fatal",
    )


def _read_folders(root: Path) -> Labels:
    folders = _subfolders(root)
    splits = {folder: SPLIT_NAMES[folder.name.lower()] for folder in folders if _is_split(folder)}
    homes = [(c, split) for f, split in splits.items() for c in _subfolders(f)]
    problems = []
    if not splits:
        homes = [(folder, "") for folder in folders]
    else:
        problems = [
            Problem(str(f), "is not one of the split folders beside it and is not read", "warning")
            for f in folders
            if f not in splits
        ]
    samples = []
    filled = set()
    for folder, split in homes:
        for path in list_images(folder):
            filled.add(folder.name)
            samples.append(Sample(path, (folder.name,), split, str(path)))
    empty = sorted({folder.name for folder, _ in homes} - filled)
    return Labels(samples, problems, empty=empty)


def _is_split(folder: Path) -> bool:
    """Whether a folder is a split: it has the name of one and contains class folders."""
    return folder.name.lower() in SPLIT_NAMES and bool(_subfolders(folder))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _read_csv(path: Path) -> Labels:
    samples, problems = [], []
    several = False
    for place, row in csv_rows(path, {"path", "label"}):
        labels = tuple(
            dict.fromkeys(part.strip() for part in (row["label"] or "").split("|") if part.strip())
        )
        several |= "|" in (row["label"] or "")
        file = path.parent / (row["path"] or "").strip()
        if not labels and "|" not in (row["label"] or ""):
            problems.append(Problem(place, "has no label; name one, or remove the line", "error"))
        elif not file.is_file():
            problems.append(Problem(place, f"there is no file {str(file)!r}", "error"))
        else:
            samples.append(Sample(file, labels, row.get("split") or "", place))
    return Labels(samples, problems, several)


def _check_files(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Decode every image; returns the readable samples, and the problems of all."""
    good, problems = [], []
    checks = inspect_images([sample.path for sample in samples])
    for sample, check in zip(samples, checks, strict=True):
        problems += check.problems(sample.place)
        if check.info is not None:
            size = (check.info.height, check.info.width)
            good.append(replace(sample, content=check.content, size=size))
    return good, problems


def _check_duplicates(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Leave out duplicates with contradicting labels or splits.

    Returns:
        The remaining samples, and a problem for each duplicate.
    """
    by_content: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_content[sample.content].append(sample)
    problems, left_out = [], set()
    for copies in by_content.values():
        if len(copies) == 1:
            continue
        first, others = copies[0], copies[1:]
        same = f"the same image as {first.path}"
        if any(set(s.labels) != set(first.labels) for s in others):
            labels = " and ".join(sorted({"|".join(s.labels) for s in copies}))
            left_out.update(copies)
            problems += [
                Problem(s.place, f"{same} under another label ({labels}); keep one", "error")
                for s in others
            ]
        elif any(s.split != first.split for s in others):
            splits = " and ".join(sorted({s.split or "no split" for s in copies}))
            left_out.update(s for s in copies if s.split in {"train", ""})
            problems += [
                Problem(s.place, f"{same}, in {splits}: the figures would be too good", "error")
                for s in others
            ]
        else:
            problems += [
                Problem(s.place, f"{same}; both are used, in the same split", "warning")
                for s in others
            ]
    return [s for s in samples if s not in left_out], problems


def count_classes(samples: Iterable[Sample], class_names: Sequence[str]) -> list[int]:
    """Number of samples of each class, in the order of the names."""
    counts = Counter(label for sample in samples for label in sample.labels)
    return [counts[name] for name in class_names]
