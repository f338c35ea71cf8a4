"""Read the captions of a data set with their images, and check every image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.captioning.formats import (
    SplitLists,
    caption_files,
    flickr_splits,
    looks_like_captions,
    read_entries,
)
from visus.datamodules.captioning.json_formats import Entry
from visus.datamodules.core.images import check_copies, inspect_images
from visus.datamodules.core.named_files import NamedFileError, NamedFiles, image_folders
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import Problem, has_errors, shown
from visus.datamodules.core.shards.samples import ShardFile
from visus.datamodules.core.splits import unstated_splits
from visus.datamodules.core.text_files import first_unrecognised
from visus.vision.errors import VisusError
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
        stored: Where the image lies, if that is a shard; `path` is its name then.
    """

    path: Path
    captions: tuple[str, ...]
    split: str
    place: str
    content: str = ""
    stored: ShardFile | None = None

    @property
    def image_source(self) -> Path | ShardFile:
        """What the image is decoded from."""
        return self.stored or self.path


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
        samples: The usable images, in a fixed order.
        problems: All problems; images with errors are not among `samples`.
        left_out: Number of images that are left out because of errors.
    """

    samples: Sequence[CaptionedImage]
    problems: tuple[Problem, ...]
    left_out: int


def is_captions(root: Path) -> bool:
    """Whether a file, or a file in a folder, looks like captions."""
    if root.is_file():
        return looks_like_captions(root)
    return bool(caption_files(root))


def read_captions(root: Path, allow_outside: bool = False) -> CaptionListing:
    """Read the captions of a data set and check every image.

    Args:
        root: See `read_labels`.
        allow_outside: See `read_labels`.

    Raises:
        VisusError: As `read_labels`.
    """
    return check_captions(read_labels(root, allow_outside), root)


def read_labels(root: Path, allow_outside: bool = False) -> CaptionLabels:
    """Read the captions of a data set.

    Args:
        root: A file of captions, or a folder with such files: Flickr8k's `captions.txt` or
            `Flickr8k.token.txt`, with its lists of each split in the same folder; JSON in the
            format of Karpathy or COCO; JSON with a list of `{"image", "captions"}`, or a CSV with
            the columns `image` and `caption`, both optionally with `split`. The name of a file may
            state its split. Images may lie anywhere below the folder.
        allow_outside: Whether the files may name images outside of the folder.

    Raises:
        VisusError: If there are no captions.
    """
    files = caption_files(root)
    if not files:
        raise VisusError(
            f"data.root {str(root)!r}: holds no captions; it needs a CSV with the columns image "
            "and caption, JSON in the format of COCO or Karpathy, or Flickr8k's text files"
            f"{first_unrecognised(root)}"
        )
    folder = root if root.is_dir() else root.parent
    if root.is_file() and folder.name.lower() == "annotations":
        folder = folder.parent
    lists = flickr_splits(folder)
    problems = list(lists.problems)
    named = NamedFiles(folder, allow_outside)
    images: dict[tuple[Path, str], CaptionedImage] = {}
    used = [*files, *lists.files]
    for path in files:
        entries, unreadable = read_entries(path)
        problems += [*unreadable, *_by_image(entries, path, named, lists, images)]
    listed = len(images) + len({p.place for p in problems if p.severity == "error"})
    if lists.files:
        problems += _check_lists(list(images.values()), lists)
    problems += unread_files(root, [*used, *(image.path for image in images.values())])
    return CaptionLabels(list(images.values()), problems, listed)


def check_captions(labels: CaptionLabels, root: Path) -> CaptionListing:
    """Decode every image once, and find duplicates.

    Args:
        labels: The captions.
        root: Where they were read, for messages.
    """
    problems = [*labels.problems, *unstated_splits(labels.images)]
    checked = []
    checks = inspect_images([image.path for image in labels.images])
    for image, check in zip(labels.images, checks, strict=True):
        found = check.problems(image.place)
        problems += [replace(p, message=f"{image.path.name}: {p.message}") for p in found]
        if not has_errors(found):
            checked.append(replace(image, content=check.content))
    usable, duplicates = check_copies(checked)
    problems += duplicates
    if not usable:
        problems.append(Problem(str(root), "holds no image with a caption", "fatal"))
    return CaptionListing(tuple(usable), tuple(problems), labels.listed - len(usable))


def _by_image(
    entries: Sequence[Entry],
    file: Path,
    named: NamedFiles,
    lists: SplitLists,
    images: dict[tuple[Path, str], CaptionedImage],
) -> list[Problem]:
    """Find the image files of a file's captions, and add them to those of other files."""
    homes = image_folders(file, named.root)
    problems: list[Problem] = []
    captions: dict[tuple[str, str], list[str]] = {}
    places: dict[tuple[str, str], str] = {}
    for entry in entries:
        key = (entry.name, lists.splits.get(entry.name, entry.split))
        places.setdefault(key, entry.place)
        known = captions.setdefault(key, [])
        if entry.caption is not None and not tokenise(entry.caption):
            message = f"an empty caption of {shown(entry.name)}; write one, or remove it"
            problems.append(Problem(entry.place, message, "warning"))
        elif entry.caption is not None:
            known.append(" ".join(entry.caption.split()))
    for (name, split), texts in captions.items():
        place = places[name, split]
        message = ""
        if split not in {"", "train", "val", "test"}:
            message = f"split {shown(split)} is unknown; write train, val or test"
        elif not texts:
            message = f"an image without a caption: {shown(name)}"
        try:
            path = named.find(name, homes, anywhere=True)
        except NamedFileError as error:
            message = message or str(error)
        if message:
            problems.append(Problem(place, message, "error"))
            continue
        # Several files may name an image, and one file in two ways.
        other = images.get((path, split))
        texts = [*(other.captions if other else ()), *texts]
        first = other.place if other else place
        images[path, split] = CaptionedImage(path, tuple(texts), split, first)
    return problems


def _check_lists(images: Sequence[CaptionedImage], lists: SplitLists) -> list[Problem]:
    """Compare Flickr8k's lists with the images that have captions."""
    problems = []
    names = {image.path.name for image in images}
    missing = [name for name in lists.splits if name not in names]
    if missing:
        place = lists.places[missing[0]]
        message = f"{len(missing)} listed images have no usable caption, the first is"
        problems.append(Problem(place, f"{message} {shown(missing[0])}", "warning"))
    return problems
