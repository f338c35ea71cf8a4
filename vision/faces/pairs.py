"""Pairs of face images for verification: read from a file as LFW's, or sampled."""

import itertools
import random
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
    (two), separated by tabs or spaces. Image 7 of Ada_Byron is `Ada_Byron/Ada_Byron_0007.jpg`.

    Args:
        path: The file.
        root: The folder of people.

    Raises:
        VisusError: If a line has another form, or an image is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such file of pairs; check the path") from None
    except (UnicodeDecodeError, OSError) as error:
        raise VisusError(f"{path}: cannot be read as text ({error})") from None
    counts = lines[0].split() if lines else []
    if len(counts) not in (1, 2) or not all(word.isdecimal() for word in counts):
        raise VisusError(
            f"{path}:1: must hold the number of folds and of pairs of each kind in a fold, as "
            f"'10 300', not {lines[0] if lines else ''!r}"
        )
    # LFW's development sets have one fold and only its size.
    folds, each = (1, int(counts[0])) if len(counts) == 1 else (int(counts[0]), int(counts[1]))
    rows = [(i, line.split()) for i, line in enumerate(lines[1:], start=2) if line.strip()]
    if not each or len(rows) != folds * each * 2:
        raise VisusError(
            f"{path}:1: {folds} folds of {each} pairs of each kind need {folds * each * 2} lines, "
            f"there are {len(rows)}"
        )
    pairs = [_pair(path, i, words, n // (2 * each), root) for n, (i, words) in enumerate(rows)]
    missing = sorted({n for p in pairs for n in (p.first, p.second) if not Path(n).is_file()})
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise VisusError(
            f"{path}: names {missing[0]}{more}, which is not there; check the folder of images"
        )
    return pairs


def _pair(path: Path, line: int, words: list[str], fold: int, root: Path) -> FacePair:
    try:
        if len(words) == 3:
            person, first, second = words
            return FacePair(_image(root, person, first), _image(root, person, second), True, fold)
        person, first, other, second = words
        return FacePair(_image(root, person, first), _image(root, other, second), False, fold)
    except ValueError:
        raise VisusError(
            f"{path}:{line}: {' '.join(words)!r} is neither 'person number number' nor "
            "'person number person number'"
        ) from None


def _image(root: Path, person: str, number: str) -> str:
    if Path(person).name != person:
        raise ValueError("a path is no name of a person")
    stem = root / person / f"{person}_{int(number):04d}"
    paths = (stem.with_suffix(ending) for ending in (".jpg", ".png", *sorted(EXTENSIONS)))
    return str(next((path for path in paths if path.is_file()), stem.with_suffix(".jpg")))


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
