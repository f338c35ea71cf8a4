"""Read the captions of a data set with their images, and check every image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.captioning.formats import (
    Entry,
    caption_files,
    flickr_splits,
    looks_like_captions,
    read_entries,
)
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.problems import Problem
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images
from visus.vision.vocabulary import tokenise


@dataclass(frozen=True)
class CaptionedImage:
    """One image with its captions.

    Attributes:
        path: The image file.
        captions: Sentences, at least one.
        split: `train`, `val`, `test`, or empty if the data set does not state one.
        place: File and line or entry of the first caption.
        content: `content_hash` of the image file; empty before it is checked.
    """

    path: Path
    captions: tuple[str, ...]
    split: str
    place: str
    content: str = ""


@dataclass(frozen=True)
class CaptionLabels:
    """The captions of a data set as they are stored, before any image is opened.

    Attributes:
        images: The images with captions, in a fixed order.
        problems: Problems of the captions.
        listed: Number of images that the data set lists, those with errors included.
    """

    images: Sequence[CaptionedImage]
    problems: Sequence[Problem]
    listed: int


@dataclass(frozen=True)
class CaptionListing:
    """The usable images of a data set, and its problems.

    Attributes:
        images: The usable images, in a fixed order.
        problems: All problems; images with errors are not among `images`.
        left_out: Number of images that are left out because of errors.
    """

    images: tuple[CaptionedImage, ...]
    problems: tuple[Problem, ...]
    left_out: int


def is_captions(root: Path) -> bool:
    """Whether a file, or a file in a folder, looks like captions."""
    if root.is_file():
        return looks_like_captions(root)
    return bool(caption_files(root))


def read_captions(root: Path) -> CaptionListing:
    """Read the captions of a data set and check every image.

    Args:
        root: See `read_labels`.

    Raises:
        VisusError: As `read_labels`.
    """
    return check_captions(read_labels(root), root)


def read_labels(root: Path) -> CaptionLabels:
    """Read the captions of a data set.

    Args:
        root: A file of captions, or a folder with such files: Flickr8k's `captions.txt` or
            `Flickr8k.token.txt`, with its lists of each split in the same folder; JSON in the
            format of Karpathy or COCO; JSON with a list of `{"image", "captions"}`, or a CSV with
            the columns `image` and `caption`, both optionally with `split`. The name of a file may
            state its split. Images may lie anywhere below the folder.

    Raises:
        VisusError: If there are no captions, or a file cannot be read.
    """
    files = caption_files(root)
    if not files:
        raise VisusError(
            f"data.root {str(root)!r}: holds no captions; it needs a CSV with the columns image "
            "and caption, JSON in the format of COCO or Karpathy, or Flickr8k's text files"
        )
    folder = root if root.is_dir() else root.parent
    entries = [entry for path in files for entry in read_entries(path)]
    images, problems = _by_image(entries, folder, flickr_splits(folder))
    return CaptionLabels(images, problems, len({entry.name for entry in entries}))


def check_captions(labels: CaptionLabels, root: Path) -> CaptionListing:
    """Decode every image once, and find duplicates.

    Args:
        labels: The captions.
        root: Where they were read, for messages.
    """
    problems = list(labels.problems)
    checked = []
    checks = inspect_images([image.path for image in labels.images])
    for image, check in zip(labels.images, checks, strict=True):
        found = check.problems(image.place)
        problems += [replace(p, message=f"{image.path.name}: {p.message}") for p in found]
        if not any(problem.severity == "error" for problem in found):
            checked.append(replace(image, content=check.content))
    usable, duplicates = check_copies(checked)
    problems += duplicates
    if not usable:
        problems.append(Problem(str(root), "holds no image with a caption", "fatal"))
    return CaptionListing(tuple(usable), tuple(problems), labels.listed - len(usable))


def _by_image(
    entries: Sequence[Entry], folder: Path, splits: dict[str, str]
) -> tuple[list[CaptionedImage], list[Problem]]:
    """Group the captions by image, and find the image files."""
    found = list_images(folder)
    by_name = {path.name: path for path in reversed(found)}
    by_path = {str(path.relative_to(folder)): path for path in found}
    problems: list[Problem] = []
    captions: dict[tuple[str, str], list[str]] = {}
    places: dict[tuple[str, str], str] = {}
    for entry in entries:
        key = (entry.name, splits.get(entry.name, entry.split))
        places.setdefault(key, entry.place)
        known = captions.setdefault(key, [])
        if entry.caption is not None and not tokenise(entry.caption):
            message = f"an empty caption of {entry.name}; write one, or remove it"
            problems.append(Problem(entry.place, message, "warning"))
        elif entry.caption is not None:
            known.append(" ".join(entry.caption.split()))
    images = []
    for (name, split), texts in captions.items():
        place = places[name, split]
        path = by_path.get(name) or by_name.get(Path(name).name)
        if split not in {"", "train", "val", "test"}:
            message = f"split {split!r} is unknown; write train, val or test"
        elif not name:
            message = "names no image"
        elif path is None:
            message = f"there is no image {name!r} below {folder}"
        elif not texts:
            message = f"an image without a caption: {name}"
        else:
            images.append(CaptionedImage(path, tuple(texts), split, place))
            continue
        problems.append(Problem(place, message, "error"))
    return images, problems
