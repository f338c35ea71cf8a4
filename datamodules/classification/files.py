"""Read a classification data set from a folder of class folders or a CSV, and check every file."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.core.csv_files import csv_rows
from visus.datamodules.core.images import inspect_images
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError
from visus.vision.images import list_images


@dataclass(frozen=True)
class Sample:
    """One image and its labels.

    Attributes:
        path: The file.
        labels: Names of its classes; one, unless the data set has several an image.
        split: `train`, `val`, `test`, or empty where the data set states none.
        place: Where its label stands: the file itself, or the CSV and its line.
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
    """All samples of a data set, good ones only, and all that is wrong with it.

    Attributes:
        samples: The samples that can be read, in a fixed order.
        class_names: All classes that are named, in order.
        multi_label: Whether an image may have several labels.
        problems: What is wrong; the samples of errors are not among `samples`.
        left_out: How many samples that is.
    """

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    multi_label: bool
    problems: tuple[Problem, ...]
    left_out: int


@dataclass(frozen=True)
class Labels:
    """The labels of a data set as they are stored, before any file is opened.

    Attributes:
        samples: All samples.
        problems: What is wrong with the labels.
        multi_label: Whether an image may have several labels.
        empty: Names of classes without images.
    """

    samples: Sequence[Sample]
    problems: Sequence[Problem] = ()
    multi_label: bool = False
    empty: Sequence[str] = ()


def read_listing(root: Path, class_names: Sequence[str] | None = None) -> Listing:
    """Read a user's own data set and decode every image once.

    Args:
        root: See `read_labels`.
        class_names: See `check_labels`.

    Raises:
        VisusError: If there is nothing to read at that place.
    """
    return check_labels(read_labels(root), root, class_names)


def read_labels(root: Path) -> Labels:
    """Read the labels of a user's own data set.

    Args:
        root: A folder of class folders, a folder of splits (`train`, `val`, `test`) of class
            folders, a folder with a `labels.csv`, or a CSV with the columns `path` and `label`
            (several labels separated by `|`) and perhaps `split`; paths are relative to the CSV.

    Raises:
        VisusError: If there is nothing to read at that place.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return _read_csv(root)
    if (root / "labels.csv").is_file():
        return _read_csv(root / "labels.csv")
    if root.is_dir():
        return _read_folders(root)
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def check_labels(labels: Labels, root: Path, class_names: Sequence[str] | None = None) -> Listing:
    """Decode every image once; find duplicates, unknown labels and missing classes.

    Args:
        labels: The labels.
        root: Where they were read, for messages.
        class_names: The classes to expect, in order, as a checkpoint states them: another label
            is a problem, a missing class is none. None to take the classes from the data.
    """
    samples, problems, empty = list(labels.samples), list(labels.problems), labels.empty
    listed = len(samples) + sum(problem.severity == "error" for problem in problems)
    found = sorted({label for sample in samples for label in sample.labels} | set(empty))
    names = tuple(class_names) if class_names else tuple(found)
    if class_names is None:
        problems += [
            Problem(name, "an empty class: no image in it; fill or remove it", "error")
            for name in empty
        ]
        names = tuple(name for name in found if name not in empty)
        if len(names) < 2:
            problems.append(_too_few_classes(root, names))
    known = set(names)
    strangers = [s for s in samples if not known.issuperset(s.labels)]
    problems += [
        Problem(
            s.place,
            f"unknown label {', '.join(sorted(set(s.labels) - known))!r}; "
            f"the model knows {', '.join(names)}",
            "error",
        )
        for s in strangers
    ]
    checked, broken = _check_files([s for s in samples if known.issuperset(s.labels)])
    kept, doubled = _check_duplicates(checked)
    problems += broken + doubled
    if not kept:
        problems.append(Problem(str(root), "holds no readable image; check the path", "fatal"))
    return Listing(tuple(kept), names, labels.multi_label, tuple(problems), listed - len(kept))


def _too_few_classes(root: Path, names: Sequence[str]) -> Problem:
    found = f"one class ({names[0]})" if names else "no class"
    return Problem(
        str(root),
        f"holds {found}; a classifier needs at least two: a folder of images for each class",
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
            Problem(str(f), "stands beside the split folders and is not read", "warning")
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
    """Whether a folder is a split: it has such a name, and class folders in it."""
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
        stated = (row.get("split") or "").strip().lower()
        file = path.parent / (row["path"] or "").strip()
        if stated and stated not in SPLIT_NAMES:
            names = ", ".join(SPLIT_NAMES)
            problems.append(Problem(place, f"unknown split {stated!r}; use {names}", "error"))
        elif not labels and "|" not in (row["label"] or ""):
            problems.append(Problem(place, "has no label; name one, or remove the line", "error"))
        elif not file.is_file():
            problems.append(Problem(place, f"there is no file {str(file)!r}", "error"))
        else:
            samples.append(Sample(file, labels, SPLIT_NAMES.get(stated, ""), place))
    return Labels(samples, problems, several)


def _check_files(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Decode every image; return the readable samples, and problems for what is not as usual."""
    good, problems = [], []
    checks = inspect_images([sample.path for sample in samples])
    for sample, check in zip(samples, checks, strict=True):
        problems += check.problems(sample.place)
        if check.info is not None:
            size = (check.info.height, check.info.width)
            good.append(replace(sample, content=check.content, size=size))
    return good, problems


def _check_duplicates(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Leave out images whose copies contradict: other labels, or another stated split."""
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
            told = " and ".join(sorted({"|".join(s.labels) for s in copies}))
            left_out.update(copies)
            problems += [
                Problem(s.place, f"{same} under another label ({told}); keep one", "error")
                for s in others
            ]
        elif any(s.split != first.split for s in others):
            told = " and ".join(sorted({s.split or "no split" for s in copies}))
            left_out.update(s for s in copies if s.split in {"train", ""})
            problems += [
                Problem(s.place, f"{same}, in {told}: the figures would be too good", "error")
                for s in others
            ]
        else:
            problems += [
                Problem(s.place, f"{same}; both are kept, on one side of the split", "warning")
                for s in others
            ]
    return [s for s in samples if s not in left_out], problems


def count_classes(samples: Iterable[Sample], class_names: Sequence[str]) -> list[int]:
    """Samples of each class, in the order of the names."""
    counts = Counter(label for sample in samples for label in sample.labels)
    return [counts[name] for name in class_names]
