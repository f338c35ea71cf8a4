"""Read which clips a data set holds: class folders of videos, or a CSV of intervals and labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visus.datamodules.core.class_labels import parse_labels
from visus.datamodules.core.named_files import NamedFileError, NamedFiles
from visus.datamodules.core.named_folders import (
    files_in,
    find_named_folders,
    is_split,
    subfolders,
)
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import Problem, shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.tables import read_table
from visus.vision.csv_files import Row, csv_columns
from visus.vision.errors import VisusError
from visus.vision.image_files import folders_listed_once, list_files
from visus.vision.videos.recognition import is_video

CLIPS_FILE = "clips.csv"
"""Name of the CSV in the folder of a data set."""

_COLUMNS = {"file", "label"}
_OPTIONAL = ("start", "end", "source", "split")


@dataclass(frozen=True)
class Clip:
    """An interval of a video, and its labels.

    Attributes:
        path: The video file.
        labels: Names of its classes; one, unless the data set is multi-label.
        split: One of `SPLIT_NAMES`, or empty if the data set does not state one; `train`, `val`,
            `test` or empty once it is checked.
        place: Where it is listed, for messages: the file, or the CSV and the line in it.
        start: Seconds from the first frame of the video.
        end: Seconds from the first frame; infinite for the end of the video, and finite once it is
            checked.
        source: What it was cut from, as the CSV names it; empty for its file.
        content: `content_hash` of what it was cut from, whose clips stay in one split; empty
            before it is checked.
        last: Time of its last frame in seconds, as `start`; 0 before it is checked.
        size: (height, width) in pixels; (0, 0) before it is checked.
    """

    path: Path
    labels: tuple[str, ...]
    split: str
    place: str
    start: float = 0.0
    end: float = math.inf
    source: str = ""
    content: str = ""
    last: float = 0.0
    size: tuple[int, int] = (0, 0)

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end - self.start

    def __str__(self) -> str:
        return interval_name(self.path, self.start, self.end)


@dataclass(frozen=True)
class ClipLabels:
    """The clips of a data set, before their videos are checked.

    Attributes:
        clips: All clips.
        problems: Problems of the labels, such as a line that cannot be read.
        multi_label: Whether a clip may have several labels.
        empty: Names of classes without videos.
    """

    clips: Sequence[Clip]
    problems: Sequence[Problem] = ()
    multi_label: bool = False
    empty: Sequence[str] = ()


def interval_name(path: Path, start: float, end: float) -> str:
    """The name of an interval in reports, such as `video.mp4 1.0-3.0 s`."""
    return f"{path} {round(float(start), 3)}-{round(float(end), 3)} s"


def read_labels(root: Path, allow_outside: bool = False) -> ClipLabels:
    """Read the clips of the user's own data set, without opening a video.

    Args:
        root: A folder of class folders of videos, a folder of splits (`train`, `val`, `test`) of
            such folders, a folder with a `clips.csv`, or a CSV with the columns `file`, `label`
            (several labels separated by `|`) and optionally `start`, `end` (in seconds), `source`
            and `split`; paths are relative to the CSV.
        allow_outside: Whether the CSV may name videos outside of its folder.

    Raises:
        VisusError: If there is no such folder or file, or the CSV lacks a column.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return _read_csv(root, root, allow_outside)
    if (root / CLIPS_FILE).is_file():
        return _read_csv(root / CLIPS_FILE, root, allow_outside)
    if root.is_dir():
        return _read_folders(root)
    raise VisusError(f"data.root {str(root)!r}: there is no such folder or CSV; check the path")


def is_clip_list(path: Path) -> bool:
    """Whether a path is a CSV of clips, or a folder with a `clips.csv`."""
    file = path / CLIPS_FILE if path.is_dir() else path
    return file.suffix.lower() == ".csv" and csv_columns(file) >= _COLUMNS


def has_class_folders(path: Path) -> bool:
    """Whether a path is a folder of class folders of videos, or of splits of such folders.

    A folder with a `clips.csv` is not: its videos are described there.
    """
    if not path.is_dir() or (path / CLIPS_FILE).is_file():
        return False
    folders = [
        ("", folder)
        for folder in subfolders(path)
        # Splits without class folders: videos that have no labels.
        if folder.name.lower() not in SPLIT_NAMES or is_split(folder)
    ]
    return any(is_video(Path(file)) for _, _, file in files_in(folders, list_files(path).others))


@folders_listed_once()
def _read_folders(root: Path) -> ClipLabels:
    folders, problems, unread = find_named_folders(root)
    clips = [
        Clip(Path(file), (folder.name,), split, file)
        for split, folder, file in files_in(folders, list_files(root).others)
        if is_video(Path(file))
    ]
    filled = {label for clip in clips for label in clip.labels}
    empty = sorted({folder.name for _, folder in folders} - filled)
    problems += unread_files(root, [*(clip.path for clip in clips), *unread])
    return ClipLabels(clips, problems, empty=empty)


def _read_csv(path: Path, root: Path, allow_outside: bool) -> ClipLabels:
    clips = []
    several = False
    used = [path]
    files = NamedFiles(path.parent, allow_outside)
    rows, problems = read_table(path, _COLUMNS, _OPTIONAL)
    for place, row in rows:
        labels, separated, message = parse_labels(row["label"])
        several |= separated
        try:
            file = files.find(row["file"], [path.parent])
        except NamedFileError as error:
            problems.append(Problem(place, str(error), "error"))
            continue
        used.append(file)
        try:
            start, end = _interval(row)
        except ValueError as error:
            message = message or str(error)
        if message:
            problems.append(Problem(place, message, "error"))
        else:
            clips.append(Clip(file, labels, row["split"], place, start, end, row["source"]))
    problems += unread_files(root, used)
    return ClipLabels(clips, problems, several)


def _interval(row: Row) -> tuple[float, float]:
    """Start and end of a row in seconds.

    Raises:
        ValueError: With the problem as its message.
    """
    bounds = {"start": 0.0, "end": math.inf}
    for name in bounds:
        if not row[name]:
            continue
        try:
            bounds[name] = float(row[name])
        except ValueError:
            bounds[name] = math.nan
        if not 0 <= bounds[name] < math.inf:
            raise ValueError(
                f"its {name} {shown(row[name])} is not a time; write seconds from the start of the "
                "video, such as 12.5"
            )
    if bounds["start"] >= bounds["end"]:
        raise ValueError(f"ends at {row['end']} s, not after its start; exchange or correct them")
    return bounds["start"], bounds["end"]
