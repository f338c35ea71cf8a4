"""Pair images with their masks, by name or as listed in a CSV."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.csv_files import csv_rows
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images

_SUFFIXES = ("", "_mask", "_L")
"""What may follow the image's name in the name of its mask."""


@dataclass(frozen=True)
class MaskedImage:
    """One image and its mask.

    Attributes:
        path: The image's file.
        mask: The mask's file, or the outlined objects from which it is drawn.
        split: `train`, `val`, `test`, or empty where the data set has no splits.
        place: Where the pair is listed: the image itself, or the CSV and the line in it.
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
    """Folders of images and of masks, each pair with the name of its split.

    Args:
        root: A folder.

    Returns:
        (split, images, masks) of each pair; empty if the folder has none of the known layouts.

    Raises:
        VisusError: If only some of the splits have masks.
    """
    pairs = []
    unmasked = []
    for folder in [root, *_subfolders(root)]:
        split = "" if folder == root else SPLIT_NAMES.get(folder.name.lower())
        images, masks = folder / "images", folder / "masks"
        if split is not None and images.is_dir() and masks.is_dir():
            parts = _split_folders(images) if not split else []
            pairs += [(SPLIT_NAMES[p.name.lower()], p, masks / p.name) for p in parts]
            if not parts:
                pairs.append((split, images, masks))
        elif split:
            annotations = folder.with_name(f"{folder.name}annot")
            if annotations.is_dir():
                pairs.append((split, folder, annotations))
            else:
                unmasked.append(folder)
    if pairs and unmasked:
        raise VisusError(f"{unmasked[0]}: has no masks, while {pairs[0][1]} has; add or remove it")
    return pairs


def _subfolders(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*") if p.is_dir() and not p.name.startswith("."))


def _split_folders(images: Path) -> list[Path]:
    """The folders of splits in a folder of images; empty without splits.

    Raises:
        VisusError: If there are images or folders beside them, which belong to no split.
    """
    folders = _subfolders(images)
    splits = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    loose = [path for path in list_images(images, arrays=True) if path.parent == images]
    others = [folder for folder in folders if folder not in splits] + loose
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
    """Pair all images with their masks; images and masks without exactly one partner are problems.

    Args:
        root: A folder with `images` and `masks`, or of splits that have both, or with a folder
            `<split>annot` beside each split (`train`, `val`, `test`), where a mask has the name of
            its image, optionally followed by `_mask` or `_L`; or a CSV with the columns `path` and
            `mask` and optionally `split`, or a folder with such a `masks.csv`.

    Raises:
        VisusError: If there is no such data set.
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
        paired, unpaired = _pair_by_name(split, images, masks)
        pairs += paired
        problems += unpaired
    return pairs, problems


def _read_csv(path: Path) -> tuple[list[MaskedImage], list[Problem]]:
    pairs: list[MaskedImage] = []
    problems = []
    listed: dict[Path, str] = {}
    for place, row in csv_rows(path, {"path", "mask"}):
        image = path.parent / (row["path"] or "").strip()
        mask = path.parent / (row["mask"] or "").strip()
        split = (row.get("split") or "").strip().lower()
        missing = [str(file) for file in (image, mask) if not file.is_file()]
        if missing:
            problems.append(Problem(place, f"there is no file {missing[0]!r}", "error"))
        elif split and split not in SPLIT_NAMES:
            known = ", ".join(sorted(set(SPLIT_NAMES.values())))
            problems.append(Problem(place, f"split {split!r} is unknown; use {known}", "error"))
        elif image in listed:
            message = f"{image} is listed in {listed[image]} already; remove one of the lines"
            problems.append(Problem(place, message, "error"))
        else:
            listed[image] = place
            pairs.append(MaskedImage(image, mask, SPLIT_NAMES.get(split, ""), place))
    return pairs, problems


def _pair_by_name(split: str, images: Path, masks: Path) -> tuple[list[MaskedImage], list[Problem]]:
    images_by_name = _by_name(images, list_images(images, arrays=True))
    masks_by_name = _by_name(masks, list_images(masks) if masks.is_dir() else [])
    pairs, problems = [], []
    used: set[str] = set()
    for name, files in images_by_name.items():
        mask_names = [name + suffix for suffix in _SUFFIXES if name + suffix in masks_by_name]
        used.update(mask_names)
        candidates = [path for mask_name in mask_names for path in masks_by_name[mask_name]]
        place = str(files[0])
        if len(files) > 1:
            message = f"{files[1]} has the same name; give each image a unique name"
            problems.append(Problem(place, message, "error"))
        elif not candidates:
            problems.append(Problem(place, f"has no mask in {masks}; add or remove one", "error"))
        elif len(candidates) > 1:
            message = f"has several masks, {candidates[0]} and {candidates[1]}; remove one"
            problems.append(Problem(place, message, "error"))
        else:
            pairs.append(MaskedImage(files[0], candidates[0], split, place))
    for name, files in masks_by_name.items():
        if name not in used:
            message = f"is a mask without an image in {images}; add or remove one"
            problems.append(Problem(str(files[0]), message, "error"))
    return pairs, problems


def _by_name(folder: Path, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each name, without the extension."""
    named = defaultdict(list)
    for path in paths:
        named[str(path.relative_to(folder).with_suffix(""))].append(path)
    return named
