"""Read the captions of videos, and check every video."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.captioning.files import CaptionedImage, CaptionLabels, CaptionListing
from visus.datamodules.core.images import check_copies
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.splits import SPLIT_NAMES, unstated_splits
from visus.datamodules.core.tables import read_table
from visus.datamodules.core.videos.scanning import scan_videos
from visus.vision.csv_files import csv_columns
from visus.vision.errors import VisusError
from visus.vision.vocabulary import tokenise

CLIPS_FILE = "clips.csv"
"""Name of the CSV in the folder of a data set."""

_COLUMNS = {"video", "caption"}


@dataclass(frozen=True)
class CaptionedClip(CaptionedImage):
    """One video with its captions.

    Attributes:
        seconds: Its duration; 0 before it is checked.
        last: Time of its last frame in seconds; 0 before it is checked.
    """

    seconds: float = 0.0
    last: float = 0.0


def is_captioned_clips(root: Path) -> bool:
    """Whether a path is a CSV of videos with captions, or a folder with such a `clips.csv`."""
    file = root / CLIPS_FILE if root.is_dir() else root
    return file.suffix.lower() == ".csv" and file.is_file() and csv_columns(file) >= _COLUMNS


def read_clip_labels(root: Path, allow_outside: bool = False) -> CaptionLabels:
    """Read the captions of videos, without opening a video.

    Args:
        root: A CSV with the columns `video` and `caption`, and optionally `split`, or a folder with
            a `clips.csv` of this kind. A video with several captions has several rows; paths are
            relative to the CSV.
        allow_outside: Whether the CSV may name videos outside of its folder.

    Raises:
        VisusError: If there is no such file.
    """
    if not is_captioned_clips(root):
        raise VisusError(
            f"data.root {str(root)!r}: holds no captions of videos; it needs a {CLIPS_FILE} with "
            "the columns video and caption"
        )
    path = root / CLIPS_FILE if root.is_dir() else root
    files = NamedFiles(path.parent, allow_outside)
    rows, problems = read_table(path, _COLUMNS, ("split",), texts={"caption"})
    captions: dict[tuple[Path, str], list[str]] = defaultdict(list)
    places: dict[tuple[Path, str], str] = {}
    for place, row in rows:
        split = SPLIT_NAMES.get(row["split"].lower(), row["split"].lower())
        message = ""
        if split not in {"", "train", "val", "test"}:
            message = f"split {shown(split)} is unknown; write train, val or test"
        elif not tokenise(row["caption"]):
            message = f"an empty caption of {shown(row['video'])}; write one, or remove the line"
        try:
            file = files.find(row["video"], [path.parent])
        except NamedFileError as error:
            message = message or str(error)
        if message:
            problems.append(Problem(place, message, "error"))
            continue
        captions[file, split].append(" ".join(row["caption"].split()))
        places.setdefault((file, split), place)
    clips = [
        CaptionedClip(file, tuple(texts), split, places[file, split])
        for (file, split), texts in captions.items()
    ]
    problems += unread_files(root, [path, *(clip.path for clip in clips)])
    listed = len(clips) + sum(problem.severity == "error" for problem in problems)
    return CaptionLabels(clips, problems, listed)


def check_clip_captions(labels: CaptionLabels, root: Path) -> CaptionListing:
    """Decode every video once, and find duplicates.

    Args:
        labels: The captions of `CaptionedClip`s.
        root: Where they were read, for messages.
    """
    problems = [*labels.problems, *unstated_splits(labels.images)]
    checked = []
    scans = dict(scan_videos(dict.fromkeys(clip.path for clip in labels.images)))
    for clip in labels.images:
        assert isinstance(clip, CaptionedClip)
        scan = scans[clip.path]
        if scan.error:
            problems.append(Problem(clip.place, f"{clip.path.name}: {scan.error}", "error"))
            continue
        last = scan.last_before(scan.seconds)
        checked.append(replace(clip, content=scan.content, seconds=scan.seconds, last=last))
    usable, duplicates = check_copies(checked)
    problems += duplicates
    if not usable:
        problems.append(Problem(str(root), "holds no video with a caption", "fatal"))
    return CaptionListing(tuple(usable), tuple(problems), labels.listed - len(usable))
