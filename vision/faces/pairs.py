"""Pairs of face images for verification: read from a file as LFW's, or sampled."""

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from visus.vision.errors import VisusError
from visus.vision.image_files import EXTENSIONS
from visus.vision.truth import FacePair

_FOLDS = 10
_MAX_PAIRS_PER_PERSON = 30


def read_pairs(path: Path, root: Path) -> list[FacePair]:
    """Read pairs in the format of LFW's `pairs.txt`.

    The first line holds the number of folds and of pairs of each kind in a fold. Then, fold by
    fold, follow lines `person number number` (one person) and `person number person number`
    (two), separated by tabs or spaces; with tabs, names may hold spaces. Image 7 of Ada_Byron is
    `Ada_Byron/Ada_Byron_0007.jpg`.

    Args:
        path: The file.
        root: The folder of people.

    Raises:
        VisusError: If lines have another form, or images are missing; it names all of them.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such file of pairs; check the path") from None
    except (UnicodeDecodeError, OSError) as error:
        raise VisusError(f"{path}: cannot be read as text ({error})") from None
    counts = lines[0].split()
    if len(counts) not in (1, 2) or not all(_COUNT.fullmatch(word) for word in counts):
        raise VisusError(
            f"{path}:1: must hold the number of folds and of pairs of each kind in a fold, as "
            f"'10 300', not {lines[0][:60]!r}"
        )
    # LFW's development sets have one fold and only its size.
    folds, each = (1, int(counts[0])) if len(counts) == 1 else (int(counts[0]), int(counts[1]))
    rows = [(i, line) for i, line in enumerate(lines[1:], start=2) if line.strip()]
    pairs = []
    problems = []
    for index, (number, line) in enumerate(rows):
        try:
            pair = _pair(line, index // (2 * max(1, each)), root)
        except ValueError as error:
            problems.append(f"{path}:{number}: {line.strip()[:60]!r} {error}")
            continue
        pairs.append(pair)
        if len(rows) == folds * each * 2 and pair.same != (index % (2 * each) < each):
            kind = "two people, not one" if pair.same else "one person, not two"
            problems.append(f"{path}:{number}: the line must hold a pair of {kind}, by line 1")
    if not each or len(rows) != folds * each * 2:
        problems.insert(
            0,
            f"{path}:1: {folds} folds of {each} pairs of each kind need {folds * each * 2} lines, "
            f"there are {len(rows)}",
        )
    if problems:
        raise VisusError("\n".join(problems))
    return pairs


_COUNT = re.compile("[0-9]{1,6}")
"""A number of folds, pairs or images; `int` would accept `1_0` and digits of other scripts."""


def _pair(line: str, fold: int, root: Path) -> FacePair:
    """The pair of a line.

    Raises:
        ValueError: If it is none; the message follows the line.
    """
    words = [word.strip() for word in line.split("\t")] if "\t" in line else line.split()
    people, numbers = words[:1], words[1:]
    if len(words) == 4:
        people, numbers = words[::2], words[1::2]
    if len(numbers) != 2 or not all(_COUNT.fullmatch(number) for number in numbers):
        raise ValueError("is neither 'person number number' nor 'person number person number'")
    if len(people) == 2 and people[0] == people[1]:
        raise ValueError("names one person as two people; correct the line")
    if len(people) == 1 and int(numbers[0]) == int(numbers[1]):
        raise ValueError("compares an image with itself; name two images")
    first, second = (
        _image(root, person, number)
        for person, number in zip((people[0], people[-1]), numbers, strict=True)
    )
    return FacePair(first, second, len(people) == 1, fold)


def _image(root: Path, person: str, number: str) -> str:
    # A name with a path would read files outside of the folder of people.
    if not person.isprintable() or "/" in person or "\\" in person or person in {"", ".", ".."}:
        raise ValueError("holds a name that is not a name of a folder")
    stem = root / person / f"{person}_{int(number):04d}"
    for ending in (".jpg", ".png", *sorted(EXTENSIONS)):
        path = stem.with_name(stem.name + ending)
        try:
            if path.is_file():
                return str(path)
        except OSError:
            # The name is too long for a file.
            break
    raise ValueError(f"names {stem.name[:60]}, which is not in {root}; check the folder of images")


def people_in(pairs: Sequence[FacePair]) -> set[str]:
    """Names of the people in the pairs."""
    return {Path(name).parent.name for pair in pairs for name in (pair.first, pair.second)}


def make_pairs(images: Mapping[str, Sequence[str]], seed: int = 0) -> list[FacePair]:
    """All pairs of images of one person, and as many of different people, in folds by people.

    Args:
        images: Names of the images of each person.
        seed: For sampling the pairs of different people, and those of people with many images.

    Raises:
        VisusError: If no person has two images, or there are fewer than two people.
    """
    rng = random.Random(seed)
    people = sorted(images)
    rng.shuffle(people)
    several = sum(len(images[person]) > 1 for person in people)
    folds = max(1, min(_FOLDS, several // 2))
    # Each fold needs people with several images.
    people.sort(key=lambda person: len(images[person]) < 2)
    pairs: list[FacePair] = []
    for fold in range(folds):
        members = people[fold::folds]
        same = []
        for person in members:
            of_person = list(itertools.combinations(images[person], 2))
            chosen = rng.sample(of_person, min(_MAX_PAIRS_PER_PERSON, len(of_person)))
            same += [FacePair(a, b, True, fold) for a, b in chosen]
        pairs += same
        if len(members) > 1:
            for _ in same:
                a, b = rng.sample(members, 2)
                first, second = rng.choice(images[a]), rng.choice(images[b])
                pairs.append(FacePair(first, second, False, fold))
    if not any(pair.same for pair in pairs) or all(pair.same for pair in pairs):
        raise VisusError(
            f"{len(people)} people of whom {several} have two images or more: verification needs "
            "two people, one of them with two images; add images, or raise data.val_share"
        )
    return pairs
