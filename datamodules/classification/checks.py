"""Check the files of any classification data: images, duplicates, splits and classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.classification.files import Labels, Sample, read_labels
from visus.datamodules.core.class_labels import (
    normalise_splits,
    scarce_classes,
    too_few_classes,
    unknown_labels,
)
from visus.datamodules.core.collection import collection_paused
from visus.datamodules.core.images import group_copies, inspect_images
from visus.datamodules.core.problems import Problem, has_errors
from visus.datamodules.core.splits import unstated_splits


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

    samples: Sequence[Sample]
    class_names: tuple[str, ...]
    multi_label: bool
    problems: tuple[Problem, ...]
    left_out: int


def read_listing(
    root: Path,
    class_names: Sequence[str] | None = None,
    allow_outside: bool = False,
    in_channels: int = 3,
) -> Listing:
    """Read the user's own data set and check every image.

    Args:
        root: See `visus.datamodules.classification.files.read_labels`.
        class_names: See `check_labels`.
        allow_outside: See `visus.datamodules.classification.files.read_labels`.
        in_channels: See `check_labels`.

    Raises:
        VisusError: If there is no such folder or file, or the CSV lacks a column.
    """
    return check_labels(read_labels(root, allow_outside), root, class_names, in_channels)


def check_labels(
    labels: Labels, root: Path, class_names: Sequence[str] | None = None, in_channels: int = 3
) -> Listing:
    """Decode every image; find duplicates, unknown labels and splits, and classes with too few.

    Args:
        labels: The labels.
        root: Where they were read from, for messages.
        class_names: The classes of a checkpoint, in order: other labels are errors, missing
            classes are not. None to take the classes from the labels.
        in_channels: Number of channels of the images; 3 are accepted for 1.
    """
    problems, empty = list(labels.problems), labels.empty
    listed = len(labels.samples) + sum(problem.severity == "error" for problem in problems)
    samples, unknown = normalise_splits(labels.samples)
    problems += [*unknown, *unstated_splits(samples)]
    labelled = sorted({label for sample in samples for label in sample.labels} | set(empty))
    names = tuple(class_names) if class_names else tuple(labelled)
    if class_names is None:
        problems += [
            Problem(name, "an empty class: no image in it; fill or remove it", "error")
            for name in empty
        ]
        names = tuple(name for name in labelled if name not in empty)
        if len(names) < 2:
            problems.append(too_few_classes(root, names, "image"))
    known, strangers = unknown_labels(samples, names)
    checked, broken = _check_files(known, in_channels)
    distinct, duplicates = _check_duplicates(checked)
    good, divided = _check_groups(distinct)
    problems += strangers + broken + duplicates + divided
    if not good:
        problems.append(Problem(str(root), "holds no readable image; check the path", "fatal"))
    elif class_names is None:
        problems += scarce_classes(root, good, names, "image")
    return Listing(tuple(good), names, labels.multi_label, tuple(problems), listed - len(good))


def _check_files(samples: Sequence[Sample], in_channels: int) -> tuple[list[Sample], list[Problem]]:
    """Decode every image; returns the readable samples, and the problems of all."""
    checks = list(inspect_images([sample.file for sample in samples]))
    good: list[Sample] = []
    problems: list[Problem] = []
    # Equal sizes are one object: there may be a million samples.
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    with collection_paused():
        for sample, check in zip(samples, checks, strict=True):
            found = check.problems(sample.place, in_channels)
            problems += found
            if check.info is not None and not has_errors(found):
                size = (check.info.height, check.info.width)
                good.append(sample.checked(check.content, sizes.setdefault(size, size)))
    return good, problems


def _check_duplicates(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Leave out duplicates with contradicting labels or splits.

    Returns:
        The remaining samples, and a problem for each duplicate.
    """
    problems: list[Problem] = []
    left_out: set[int] = set()
    for copies in group_copies(samples):
        first, others = copies[0], copies[1:]
        same = f"the same image as {first.file}"
        if any(set(s.labels) != set(first.labels) for s in others):
            labels = " and ".join(sorted({"|".join(s.labels) for s in copies}))
            left_out.update(map(id, copies))
            problems += [
                Problem(s.place, f"{same} under another label ({labels}); keep one", "error")
                for s in others
            ]
        elif len({s.split or "train" for s in copies}) > 1:
            splits = " and ".join(sorted({s.split or "no split" for s in copies}))
            left_out.update(id(s) for s in copies if s.split in {"train", ""})
            problems += [
                Problem(s.place, f"{same}, in {splits}: the metrics would be too good", "error")
                for s in others
            ]
        else:
            problems += [
                Problem(s.place, f"{same}; both are used, in the same split", "warning")
                for s in others
            ]
    return [s for s in samples if id(s) not in left_out], problems


def _check_groups(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Leave out training samples of groups that occur in several splits, and report them."""
    splits: dict[str, set[str]] = {}
    for sample in samples:
        if sample.group:
            splits.setdefault(sample.group, set()).add(sample.split or "train")
    divided = {group for group, names in splits.items() if len(names) > 1}
    if not divided:
        return list(samples), []
    kept, problems = [], []
    for sample in samples:
        names = splits.get(sample.group, set())
        if sample.group not in divided or sample.split == ("test" if "test" in names else "val"):
            kept.append(sample)
            continue
        message = (
            f"its group {sample.group!r} is in {' and '.join(sorted(names))}: the metrics would be "
            "too good; give all its images one split"
        )
        problems.append(Problem(sample.place, message, "error"))
    return kept, problems
