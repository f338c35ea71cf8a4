"""Pair images with their masks, by name or as listed in a CSV."""

from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.core.labels import LabelledObject
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.named_folders import subfolders
from visus.datamodules.core.pairing import pair_files, subfolder, unread_files
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.shards.samples import ShardFile
from visus.datamodules.core.splits import SPLIT_NAMES, unstated_splits
from visus.datamodules.core.tables import read_table
from visus.datamodules.core.text_files import first_unrecognised
from visus.vision.csv_files import csv_columns
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images

CLASSES_FILE = "classes.csv"
"""Name of the file of the classes of masks, in the data set's folder."""

_SUFFIXES = ("", "_mask", "_L")
"""What may follow the image's name in the name of its mask."""

_BESIDE = "_mask"
"""What follows it where masks lie beside images, as Roboflow exports them."""

_SPLIT_CLASSES = "_classes.csv"
"""Roboflow's name of the file of classes, in the folder of each split."""


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
        stored: Where the image lies, if that is a shard; `path` is its name then.
        stored_mask: Where the mask lies, likewise.
    """

    path: Path
    mask: Path | tuple[LabelledObject, ...]
    split: str
    place: str
    content: str = ""
    size: tuple[int, int] = (0, 0)
    counts: tuple[int, ...] = ()
    upright: bool = True
    stored: ShardFile | None = None
    stored_mask: ShardFile | None = None

    @property
    def image_source(self) -> Path | ShardFile:
        """What the image is decoded from."""
        return self.stored or self.path


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
    for folder in [root, *subfolders(root)]:
        split = "" if folder == root else SPLIT_NAMES.get(folder.name.lower())
        if split is None:
            continue
        images, masks = subfolder(folder, "images"), subfolder(folder, "masks")
        if images.is_dir() and masks.is_dir():
            parts = _split_folders(images) if not split else []
            pairs += [(SPLIT_NAMES[p.name.lower()], p, subfolder(masks, p.name)) for p in parts]
            if not parts:
                pairs.append((split, images, masks))
        elif _has_masks_beside(folder):
            pairs.append((split, folder, folder))
        elif split:
            annotations = subfolder(root, f"{folder.name}annot")
            if annotations.is_dir():
                pairs.append((split, folder, annotations))
            else:
                unmasked.append(folder)
    if pairs and unmasked:
        raise VisusError(f"{unmasked[0]}: has no masks, while {pairs[0][1]} has; add or remove it")
    return pairs


def _has_masks_beside(images: Path) -> bool:
    """Whether a folder holds an image and its mask, `a.jpg` and `a_mask.png`."""
    mask = next(images.glob(f"*{_BESIDE}.png"), None)
    if mask is None:
        return False
    stem = mask.stem.removesuffix(_BESIDE)
    return any(path.stem == stem for path in list_images(images))


def classes_file(root: Path) -> Path:
    """The file that names the classes of masks; it need not exist."""
    folder = root if root.is_dir() else root.parent
    places = [
        folder / CLASSES_FILE,
        *(each / _SPLIT_CLASSES for each in (folder, *subfolders(folder))),
    ]
    return next((path for path in places if path.is_file()), places[0])


def _split_folders(images: Path) -> list[Path]:
    """The folders of splits in a folder of images; empty without splits.

    Raises:
        VisusError: If there are images or folders beside them, which belong to no split.
    """
    folders = subfolders(images)
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
    return path if path.is_file() and "mask" in csv_columns(path) else None


def find_pairs(root: Path, allow_outside: bool = False) -> tuple[list[MaskedImage], list[Problem]]:
    """Pair all images with their masks; images and masks without exactly one partner are problems.

    Args:
        root: A folder with `images` and `masks`, or of splits that have both, or with a folder
            `<split>annot` beside each split (`train`, `val`, `test`), where a mask has the name of
            its image, optionally followed by `_mask` or `_L`; or of images with masks beside them,
            called `_mask`; or a CSV with the columns `path` and
            `mask` and optionally `split`, or a folder with such a `masks.csv`.
        allow_outside: Whether the CSV may name files outside of its folder.

    Raises:
        VisusError: If there is no such data set.
    """
    listed = find_csv(root)
    if listed is not None:
        return _read_csv(listed, root, allow_outside)
    folders = find_folders(root) if root.is_dir() else []
    if not folders:
        raise VisusError(
            f"data.root {str(root)!r}: holds no images with masks; expected the folders images "
            "and masks, or train and trainannot, or a masks.csv with the columns path and mask"
            f"{first_unrecognised(root)}"
        )
    pairs: list[MaskedImage] = []
    problems: list[Problem] = []
    used = [root / CLASSES_FILE]
    for split, images, masks in folders:
        image_files, mask_files = list_images(images, arrays=True), list_images(masks)
        if images == masks:
            mask_files = [path for path in mask_files if path.stem.endswith(_BESIDE)]
            image_files = [path for path in image_files if not path.stem.endswith(_BESIDE)]
            used.append(images / _SPLIT_CLASSES)
        paired, unpaired = _pair_by_name(split, images, masks, image_files, mask_files)
        pairs += paired
        problems += unpaired
        used += [*image_files, *mask_files]
    return pairs, problems + unread_files(root, used)


def _read_csv(
    path: Path, root: Path, allow_outside: bool
) -> tuple[list[MaskedImage], list[Problem]]:
    pairs: list[MaskedImage] = []
    listed: dict[Path, str] = {}
    masks: dict[Path, str] = {}
    used = [path, path.parent / CLASSES_FILE]
    files = NamedFiles(path.parent, allow_outside)
    rows, problems = read_table(path, {"path", "mask"}, {"split"})
    for place, row in rows:
        split = row["split"].lower()
        try:
            image = files.find(row["path"], [path.parent])
            used.append(image)
            mask = files.find(row["mask"], [path.parent])
            used.append(mask)
        except NamedFileError as error:
            problems.append(Problem(place, str(error), "error"))
            continue
        if split and split not in SPLIT_NAMES:
            known = ", ".join(sorted(set(SPLIT_NAMES.values())))
            message = f"split {shown(split)} is unknown; use {known}"
        elif image in listed:
            message = f"{image} is listed in {listed[image]} already; remove one of the lines"
        elif mask in masks:
            message = f"{mask} is the mask of {masks[mask]} already; name this image's own mask"
        else:
            listed[image] = masks[mask] = place
            pairs.append(MaskedImage(image, mask, SPLIT_NAMES.get(split, ""), place))
            continue
        problems.append(Problem(place, message, "error"))
    problems += unstated_splits(pairs)
    return pairs, problems + unread_files(root, used)


def _pair_by_name(
    split: str, images: Path, masks: Path, image_files: list[Path], mask_files: list[Path]
) -> tuple[list[MaskedImage], list[Problem]]:
    def name(path: Path, folder: Path) -> str:
        return str(path.relative_to(folder).with_suffix(""))

    pairing = pair_files(
        image_files,
        mask_files,
        lambda path: [name(path, images) + suffix for suffix in _SUFFIXES],
        lambda path: name(path, masks),
        "mask",
    )
    pairs = [MaskedImage(image, mask, split, str(image)) for image, mask in pairing.pairs.items()]
    problems = list(pairing.problems)
    problems += [
        Problem(str(image), f"has no mask in {masks}; add or remove one", "error")
        for image in pairing.alone
    ]
    problems += [
        Problem(str(mask), f"is a mask without an image in {images}; add or remove one", "error")
        for mask in pairing.orphans
    ]
    return pairs, problems
