"""Samples with the names of classes as labels: their checks, counts and encoding."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.pairing import simple_name
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError

LONGEST_LABEL = 255
"""Characters of a class name; longer ones are damaged lines."""


class LabelledSample(Protocol):
    """A sample with labels.

    Attributes:
        labels: Names of its classes.
        split: `train`, `val`, `test`, or empty if the data set does not state one.
        place: Where it is listed, for messages.
        content: `visus.datamodules.core.splits.content_hash`; equal contents stay in one split.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> str: ...  # noqa: D102


Labelled = TypeVar("Labelled", bound=LabelledSample)


def parse_labels(text: str) -> tuple[tuple[str, ...], bool, str]:
    """The labels in a cell of a CSV.

    Args:
        text: One label, or several separated by `|`; a lone `|` stands for none of several.

    Returns:
        The labels; whether a sample may have several; and the problem of the cell, empty if it
        has none.
    """
    parts = [part.strip() for part in text.split("|")]
    labels = tuple(dict.fromkeys(part for part in parts if part))
    long = [label for label in labels if len(label) > LONGEST_LABEL]
    problem = ""
    if not labels and len(parts) == 1:
        problem = "has no label; name one, or write | for none where there may be several"
    elif long:
        problem = f"its label {shown(long[0])} has {len(long[0])} characters; shorten it"
    return labels, len(parts) > 1, problem


def normalise_splits(samples: Sequence[Labelled]) -> tuple[list[Labelled], list[Problem]]:
    """Give the splits their standard names; returns the samples, and problems for unknown names."""
    known, problems = [], []
    names = {"": "", **SPLIT_NAMES}
    for sample in samples:
        split = names.get(sample.split.strip().lower())
        if split is None:
            message = f"unknown split {shown(sample.split)}; use {', '.join(SPLIT_NAMES)}"
            problems.append(Problem(sample.place, message, "error"))
        else:
            same = split == sample.split
            known.append(sample if same else replace(sample, split=split))  # type: ignore[type-var]
    return known, problems


def unknown_labels(
    samples: Sequence[Labelled], names: Sequence[str]
) -> tuple[list[Labelled], list[Problem]]:
    """Leave out the samples with other labels than those of the model.

    Args:
        samples: The samples.
        names: The known classes.

    Returns:
        The samples whose labels are all known, and a problem for each of the others.
    """
    known = set(names)
    problems = [
        Problem(
            s.place,
            f"unknown label {shown(', '.join(sorted(set(s.labels) - known)))}; "
            f"the model knows {', '.join(names)}",
            "error",
        )
        for s in samples
        if not known.issuperset(s.labels)
    ]
    return [s for s in samples if known.issuperset(s.labels)], problems


def too_few_classes(root: Path, names: Sequence[str], noun: str) -> Problem:
    """The problem of a data set with fewer than two classes.

    Args:
        root: The data set.
        names: Its classes.
        noun: What its samples are, such as `image`.
    """
    classes = f"one class ({names[0]})" if names else "no class"
    return Problem(
        str(root),
        f"holds {classes}; a classifier needs at least two: a folder of {noun}s for each class, or "
        "a labels.csv with the columns path,label",
        "fatal",
    )


def scarce_classes(
    root: Path, samples: Sequence[Labelled], class_names: Sequence[str], noun: str
) -> list[Problem]:
    """Classes that cannot be learnt or not be validated, and names that may mean one class.

    Args:
        root: The data set.
        samples: Its samples.
        class_names: Its classes.
        noun: What a sample is, such as `image`.
    """
    problems = []
    simple: dict[str, str] = {}
    split = any(sample.split == "val" for sample in samples)
    contents = defaultdict(set)
    for sample in samples:
        for label in sample.labels:
            if sample.split in {"train", ""}:
                contents[label].add(sample.content)
    training = any(contents.values())
    for name in class_names:
        other = simple.setdefault(simple_name(name), name)
        count = len(contents[name])
        if other != name:
            message = f"classes {shown(other)} and {shown(name)} differ in case only"
            problems.append(Problem(str(root), f"{message}; rename one of them", "warning"))
        if count == 0 and training:
            message = f"class {shown(name)} has no {noun} for training; add some"
        elif count == 1 and not split:
            message = (
                f"class {shown(name)} has one {noun}, which cannot be both trained on and "
                f"validated on; add {noun}s of it"
            )
        else:
            continue
        problems.append(Problem(str(root), message, "warning"))
    return problems


def count_classes(samples: Iterable[LabelledSample], class_names: Sequence[str]) -> list[int]:
    """Number of samples of each class, in the order of the names."""
    counts = Counter(label for sample in samples for label in sample.labels)
    return [counts[name] for name in class_names]


def encode_labels(
    labels: Iterable[tuple[str, ...]], class_names: tuple[str, ...], multi_label: bool
) -> NDArray[Any]:
    """Encode labels as class ids, or as indicators of several labels.

    Args:
        labels: Names of the classes of each sample; one unless `multi_label`.
        class_names: One name for each class id, in order.
        multi_label: Whether a sample may have several labels.

    Returns:
        Class ids, int64 of shape (samples,); with `multi_label` rows of zeros and ones, float32 of
        shape (samples, classes).
    """
    index = {name: i for i, name in enumerate(class_names)}
    if not multi_label:
        return np.fromiter((index[names[0]] for names in labels), np.int64)
    columns = [[index[name] for name in names] for names in labels]
    rows = np.zeros((len(columns), len(class_names)), np.float32)
    for row, ids in zip(rows, columns, strict=True):
        row[ids] = 1
    return rows


def refuse_several(samples: Sequence[LabelledSample]) -> None:
    """Refuse samples with several labels, or none, where one is expected.

    Raises:
        VisusError: Naming the first of them.
    """
    for sample in samples:
        if len(sample.labels) != 1:
            labels = "|".join(sample.labels) or "no label"
            raise VisusError(
                f"{sample.place}: {labels}, where one label is expected; keep one, or train "
                "with --data.multi_label true"
            )
