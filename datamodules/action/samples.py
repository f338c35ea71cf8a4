"""Tiny data sets of procedural clips in the layouts of clips."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from visus.datamodules.action.files import CLIPS_FILE
from visus.datamodules.action.gestures import GESTURES, Recording
from visus.datamodules.action.moving_shapes import ACTIONS, MovingShape
from visus.vision.images import Pixels
from visus.vision.output_files import replacing
from visus.vision.videos.writer import write_video

_RATE = 10
"""Frames/s of the samples."""

_SECONDS = 2
_EACH = 5
"""Clips of each class."""

_SIZE = (96, 96)


def write_folders(folder: Path) -> None:
    """A folder for each class."""
    for label, i, shape in _shapes():
        write_video(folder / label / f"{i}.mp4", _frames(shape), _RATE)


def write_splits(folder: Path) -> None:
    """Folders `train` and `val` of such folders."""
    for label, i, shape in _shapes():
        split = "train" if i < _EACH - 1 else "val"
        write_video(folder / split / label / f"{i}.mp4", _frames(shape), _RATE)


def write_csv(folder: Path) -> None:
    """A `clips.csv` of intervals in untrimmed videos, of which each shows every class."""
    rows = [("file", "start", "end", "label")]
    for i in range(_EACH):
        shapes = [shape for _, number, shape in _shapes() if number == i]
        frames = (frame for shape in shapes for frame in _frames(shape))
        write_video(folder / f"videos/{i}.mp4", frames, _RATE)
        for place, shape in enumerate(shapes):
            start = str(place * _SECONDS), str((place + 1) * _SECONDS)
            rows.append((f"videos/{i}.mp4", *start, shape.action))
    _write_rows(folder, rows)


def write_several(folder: Path) -> None:
    """A `clips.csv` of clips with several labels: what a shape does, and in which direction."""
    rows = [("file", "label")]
    for label, i, shape in _shapes():
        name = f"videos/{label.replace(' ', '-')}-{i}.mp4"
        write_video(folder / name, _frames(shape), _RATE)
        rows.append((name, "|".join(label.split())))
    _write_rows(folder, rows)


def write_gestures(folder: Path, each: int = 20, seed: int = 0) -> None:
    """A folder for each of `GESTURES`, with clips of two seconds.

    Args:
        folder: The folder to write.
        each: Clips of each class.
        seed: Seed of the first clip.
    """
    for number, gesture in enumerate(GESTURES):
        for i in range(each):
            recording = Recording(seed + number * each + i)
            write_video(folder / gesture / f"{i}.mp4", recording.frames(gesture), 15)


def _shapes() -> Iterator[tuple[str, int, MovingShape]]:
    """The class of each clip, its number in the class, and its shape."""
    for i in range(_EACH):
        for number, label in enumerate(ACTIONS[:4]):
            yield label, i, MovingShape(number + i * len(ACTIONS), _SIZE)


def _frames(shape: MovingShape) -> Iterator[Pixels]:
    return (shape.frame(index / _RATE) for index in range(_RATE * _SECONDS))


def _write_rows(folder: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with replacing(folder / CLIPS_FILE) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
