"""Pair images with their label files or masks by name, and report the files that nothing read."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.core.problems import Problem
from visus.vision.image_files import ARRAY_EXTENSION, EXTENSIONS, list_files
from visus.vision.wording import counted

REVIEW = "review.csv"
"""The list of images by uncertainty beside labels that a model predicted."""

LABEL_MAP = "labelmap.txt"
"""CVAT's list of classes and colours."""

PAIRS = "pairs.txt"
"""LFW's list of pairs."""

_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
_NOT_DATA = ("readme", "license", "licence", *_SYSTEM_FILES, REVIEW, LABEL_MAP, PAIRS)
"""Beginnings of the names of files that accompany data and are not missed, in lower case."""

_CACHE = ".cache"
"""The ending of files in which trainers of YOLO keep what they found."""


@dataclass(frozen=True)
class Pairing:
    """The result of `pair_files`.

    Attributes:
        pairs: The partner of each image that has exactly one, in the order of the images.
        alone: Images without a partner.
        orphans: Partners without an image.
        problems: An error for each image whose partner is ambiguous; neither is in `pairs`.
    """

    pairs: dict[Path, Path]
    alone: tuple[Path, ...]
    orphans: tuple[Path, ...]
    problems: tuple[Problem, ...]


def pair_files(
    images: Sequence[Path],
    partners: Sequence[Path],
    image_names: Callable[[Path], Sequence[str]],
    partner_name: Callable[[Path], str],
    noun: str,
) -> Pairing:
    """Pair images with files of other folders by their names without endings.

    Equal names are paired first. What is left is compared without regard to case and to how
    Unicode composes letters, as file systems differ in both. Two images of one name, or two
    partners of one image, are ambiguous: errors, and neither is used.

    Args:
        images: The images.
        partners: The files to pair them with.
        image_names: Function from an image to the names that its partner may have, without ending.
        partner_name: Function from a partner to its name, without ending.
        noun: What the partners are, for messages, such as `mask`.
    """
    names = {image: tuple(image_names(image)) for image in images}
    found: dict[Path, list[Path]] = {}
    claimed: dict[Path, list[Path]] = defaultdict(list)
    for simplify in (str, simple_name):
        by_name = defaultdict(list)
        for partner in partners:
            if partner not in claimed:
                by_name[simplify(partner_name(partner))].append(partner)
        for image in images:
            if image not in found:
                keys = dict.fromkeys(simplify(name) for name in names[image])
                matches = [partner for key in keys for partner in by_name.get(key, ())]
                if matches:
                    found[image] = matches
        for image, matches in found.items():
            for partner in matches:
                if image not in claimed[partner]:
                    claimed[partner].append(image)
    pairs, problems = {}, []
    for image, matches in found.items():
        rivals = [other for other in claimed[matches[0]] if other != image]
        if len(matches) > 1:
            message = f"has several {noun}s, {matches[0]} and {matches[1]}; remove one"
        elif rivals:
            message = f"{rivals[0]} has the same name, and one {noun}; give each image its own name"
        else:
            pairs[image] = matches[0]
            continue
        problems.append(Problem(str(image), message, "error"))
    ordered = {image: pairs[image] for image in images if image in pairs}
    alone = tuple(image for image in images if image not in found)
    orphans = tuple(partner for partner in partners if not claimed.get(partner))
    return Pairing(ordered, alone, orphans, tuple(problems))


def simple_name(name: str) -> str:
    """A name without its case, and with composed letters, to compare it with others."""
    return unicodedata.normalize("NFC", name).casefold()


def subfolder(folder: Path, name: str) -> Path:
    """The subfolder of that name, in any case; `folder / name` if there is none."""
    exact = folder / name
    if exact.is_dir() or not folder.is_dir():
        return exact
    wanted = simple_name(name)
    matches = sorted(other for other in os.listdir(folder) if simple_name(other) == wanted)
    return next((folder / other for other in matches if (folder / other).is_dir()), exact)


def unread_files(root: Path, used: Iterable[Path | str]) -> list[Problem]:
    """Compare the files of a data set with those that its reader used, and report the others.

    Args:
        root: Its folder, all of which is compared; or a file of annotations, for which the images
            beside those that it uses are.
        used: All files that the reader used or has a problem for: images, labels and their lists.

    Returns:
        A warning for the images that are not used, one for other files that are not read, and an
        error for each folder that may not be listed, and each pipe, socket or device.
    """
    names = {str(path) for path in used}
    if root.is_dir():
        files = list_files(root)
        images, others, closed = files.images, files.others, files.unreadable
    else:
        folders = {os.path.dirname(name) for name in names if _is_image(name)}
        entries = sorted(path for folder in folders for path in _entries(Path(folder)))
        images = tuple(str(path) for path in entries if _is_image(str(path)))
        others, closed = (), ()
    problems = []
    for path in closed:
        message = "is a pipe, socket or device, and is not read; remove it"
        if os.path.isdir(path):
            message = "may not be listed, so that its files are missing; check its permissions"
        problems.append(Problem(path, message, "error"))
    kinds = (
        (images, "image that is not used", "images that are not used"),
        (filter(_is_data, others), "file that is not read", "files that are not read"),
    )
    for paths, one, many in kinds:
        rest = _without(paths, names)
        if rest:
            counts = Counter(_ending(path) or "no ending" for path in rest)
            endings = ", ".join(f"{counts[key]} {key}" for key in sorted(counts)[:6])
            message = f"holds {counted(len(rest), one, many)} ({endings}), the first is {rest[0]}"
            problems.append(Problem(str(root), message, "warning"))
    return problems


def linked_line(root: Path) -> list[str]:
    """A line with the number of links to folders in a data set; no line for none."""
    linked = list_files(root).linked if root.is_dir() else ()
    return [f"links to folders that were followed: {len(linked)}"] if linked else []


def _without(paths: Iterable[str], used: Set[str]) -> list[str]:
    """The paths that are not used, under no other name either."""
    rest = [path for path in paths if path not in used]
    if not rest:
        return []
    # Links may give one file two names, and a folder has a relative and an absolute one.
    files = {_identity(path) for path in used}
    return [path for path in rest if _identity(path) not in files]


def _identity(path: str) -> tuple[int, int] | str:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.abspath(path)
    return status.st_dev, status.st_ino


def _is_image(path: str) -> bool:
    return _ending(path) in EXTENSIONS | {ARRAY_EXTENSION}


def _is_data(path: str) -> bool:
    """Whether a file that is not an image would be missed."""
    return not os.path.basename(path).lower().startswith(_NOT_DATA) and not path.endswith(_CACHE)


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
