"""Find which mask belongs to which image, by name or as a CSV says."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.core.csv_files import csv_rows
from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError
from visus.vision.images import list_images

_ENDINGS = ("", "_mask", "_L")
"""What the name of a mask may have after that of its image."""


@dataclass(frozen=True)
class MaskedImage:
    """One image and its mask.

    Attributes:
        path: The image's file.
        mask: The mask's file, or the outlined objects that it is drawn from.
        split: `train`, `val`, `test`, or empty where the data set states none.
        place: Where the pair is listed: the image itself, or the CSV and its line.
        content: `content_hash` of the image; empty before it is checked.
        size: (height, width) in pixels; (0, 0) before it is checked.
        counts: Pixels of each class; empty before it is checked.
        upright: Whether the image is read with its EXIF orientation applied.
    """

    path: Path
    mask: Path | tuple[LabelledObject, ...]
    split: str
    place: str
    content: str = ""
    size: tuple[int, int] = (0, 0)
    counts: tuple[int, ...] = ()
    upright: bool = True


def find_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """The folders of images and of masks, each with the name of its split; none if unlike ours.

    Args:
        root: A folder.
    """
    found = []
    unmasked = []
    for folder in [root, *_folders(root)]:
        split = "" if folder == root else SPLIT_NAMES.get(folder.name.lower())
        images, masks = folder / "images", folder / "masks"
        if split is not None and images.is_dir() and masks.is_dir():
            parts = _split_folders(images) if not split else []
            found += [(SPLIT_NAMES[p.name.lower()], p, masks / p.name) for p in parts]
            if not parts:
                found.append((split, images, masks))
        elif split:
            annotations = folder.with_name(f"{folder.name}annot")
            if annotations.is_dir():
                found.append((split, folder, annotations))
            else:
                unmasked.append(folder)
    if found and unmasked:
        raise VisusError(f"{unmasked[0]}: has no masks, while {found[0][1]} has; add or remove it")
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*") if p.is_dir() and not p.name.startswith("."))


def _split_folders(images: Path) -> list[Path]:
    """The folders of splits among the images; none where there are none.

    Raises:
        VisusError: If there is more beside them, which belongs to no split.
    """
    parts = _folders(images)
    splits = [part for part in parts if part.name.lower() in SPLIT_NAMES]
    loose = [path for path in list_images(images, arrays=True) if path.parent == images]
    others = [part for part in parts if part not in splits] + loose
    if splits and others:
        raise VisusError(
            f"{others[0]}: belongs to no split, while {splits[0]} does; move it into a split"
        )
    return splits


def find_csv(root: Path) -> Path | None:
    """The CSV of images and masks: the file itself, or `masks.csv` in the folder."""
    path = root if root.suffix.lower() == ".csv" else root / "masks.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return path if "mask" in file.readline().strip().split(",") else None


def find_pairs(root: Path) -> tuple[list[MaskedImage], list[Problem]]:
    """All images with their masks, and those that lack a partner or have several.

    Args:
        root: A folder with `images` and `masks`, or of splits that have both, or with a folder
            `<split>annot` beside each split (`train`, `val`, `test`), where partners have equal
            names, a mask perhaps with `_mask` or `_L` after it; or a CSV with the columns `path`
            and `mask` and perhaps `split`, or a folder with such a `masks.csv`.

    Raises:
        VisusError: If there is no such data set at that place.
    """
    listed = find_csv(root)
    if listed is not None:
        return _read_csv(listed)
    folders = find_folders(root) if root.is_dir() else []
    if not folders:
        raise VisusError(
            f"data.root {str(root)!r}: holds no images with masks; expected the folders images "
            "and masks, or train and trainannot, or a masks.csv with the columns path and mask"
        )
    pairs: list[MaskedImage] = []
    problems: list[Problem] = []
    for split, images, masks in folders:
        found, wrong = _pair(split, images, masks)
        pairs += found
        problems += wrong
    return pairs, problems


def _read_csv(path: Path) -> tuple[list[MaskedImage], list[Problem]]:
    pairs: list[MaskedImage] = []
    problems = []
    seen: dict[Path, str] = {}
    for place, row in csv_rows(path, {"path", "mask"}):
        image = path.parent / (row["path"] or "").strip()
        mask = path.parent / (row["mask"] or "").strip()
        given = (row.get("split") or "").strip().lower()
        missing = [str(file) for file in (image, mask) if not file.is_file()]
        if missing:
            problems.append(Problem(place, f"there is no file {missing[0]!r}", "error"))
        elif given and given not in SPLIT_NAMES:
            known = ", ".join(sorted(set(SPLIT_NAMES.values())))
            problems.append(Problem(place, f"split {given!r} is unknown; use {known}", "error"))
        elif image in seen:
            message = f"{image} is listed in {seen[image]} already; keep one"
            problems.append(Problem(place, message, "error"))
        else:
            seen[image] = place
            pairs.append(MaskedImage(image, mask, SPLIT_NAMES.get(given, ""), place))
    return pairs, problems


def _pair(split: str, images: Path, masks: Path) -> tuple[list[MaskedImage], list[Problem]]:
    """Partners by name in two folders."""
    paired = _by_name(images, list_images(images, arrays=True))
    partners = _by_name(masks, list_images(masks) if masks.is_dir() else [])
    pairs, problems = [], []
    taken: set[str] = set()
    for name, files in paired.items():
        names = [name + ending for ending in _ENDINGS if name + ending in partners]
        taken.update(names)
        candidates = [path for partner in names for path in partners[partner]]
        place = str(files[0])
        if len(files) > 1:
            told = f"{files[1]} has its name too; give each image a name of its own"
            problems.append(Problem(place, told, "error"))
        elif not candidates:
            problems.append(Problem(place, f"has no mask in {masks}; add or remove one", "error"))
        elif len(candidates) > 1:
            told = f"has several masks, {candidates[0]} and {candidates[1]}; keep one"
            problems.append(Problem(place, told, "error"))
        else:
            pairs.append(MaskedImage(files[0], candidates[0], split, place))
    for name, files in partners.items():
        if name not in taken:
            message = f"is a mask without an image in {images}; add or remove one"
            problems.append(Problem(str(files[0]), message, "error"))
    return pairs, problems


def _by_name(folder: Path, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each name, without its ending."""
    named = defaultdict(list)
    for path in paths:
        named[str(path.relative_to(folder).with_suffix(""))].append(path)
    return named
