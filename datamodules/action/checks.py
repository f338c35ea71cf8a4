"""Check the clips of a data set: their videos, intervals, duplicates, splits and classes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.action.files import Clip, ClipLabels
from visus.datamodules.action.near_duplicates import near_duplicates
from visus.datamodules.core.class_labels import (
    normalise_splits,
    scarce_classes,
    too_few_classes,
    unknown_labels,
)
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import content_hash, unstated_splits
from visus.datamodules.core.videos.scanning import VideoScan, scan_videos

_ROUNDED = 0.1
"""Seconds by which an interval may reach beyond its video: annotations are rounded."""


@dataclass(frozen=True)
class ClipListing:
    """The checked clips of a data set, and its problems.

    Attributes:
        samples: The clips without errors, in a fixed order.
        class_names: All classes, in order.
        multi_label: Whether a clip may have several labels.
        problems: All problems; `samples` does not include the clips of errors.
        left_out: Number of clips that were left out.
        variable: Number of videos with a variable frame rate.
    """

    samples: tuple[Clip, ...]
    class_names: tuple[str, ...]
    multi_label: bool
    problems: tuple[Problem, ...]
    left_out: int
    variable: int


def check_clips(
    labels: ClipLabels, root: Path, window: float, class_names: Sequence[str] | None = None
) -> ClipListing:
    """Decode every video; find what is damaged, contradictory, in several splits or too short.

    Args:
        labels: The clips and their labels.
        root: Where they were read from, for messages.
        window: Seconds that the model sees at once.
        class_names: The classes of a checkpoint, in order: other labels are errors, missing
            classes are not. None to take the classes from the labels.
    """
    problems, empty = list(labels.problems), labels.empty
    listed = len(labels.clips) + sum(problem.severity == "error" for problem in problems)
    clips, unknown = normalise_splits(labels.clips)
    problems += [*unknown, *unstated_splits(clips)]
    labelled = sorted({label for clip in clips for label in clip.labels})
    names = tuple(class_names) if class_names else tuple(labelled)
    if class_names is None:
        problems += [
            Problem(name, "an empty class: no video in it; fill or remove it", "error")
            for name in empty
        ]
        if len(names) < 2:
            problems.append(too_few_classes(root, names, "video"))
    known, strangers = unknown_labels(clips, names)
    problems += strangers
    scans = dict(scan_videos(dict.fromkeys(clip.path for clip in known)))
    checked, broken = _check_videos(known, scans)
    good, contradictions = _check_overlaps(checked, scans, labels.multi_label)
    good, leaks = _check_sources(good)
    problems += [*broken, *contradictions, *leaks, *near_duplicates(good, scans)]
    problems += [_too_short(clip, window) for clip in good if clip.seconds < window - _ROUNDED]
    if not good:
        problems.append(Problem(str(root), "holds no readable video; check the path", "fatal"))
    elif class_names is None:
        problems += scarce_classes(root, good, names, "video")
    return ClipListing(
        tuple(good),
        names,
        labels.multi_label,
        tuple(problems),
        listed - len(good),
        sum(scan.variable for scan in scans.values()),
    )


def _check_videos(
    clips: Sequence[Clip], scans: Mapping[Path, VideoScan]
) -> tuple[list[Clip], list[Problem]]:
    """The clips of readable videos with their facts, and the problems of the others."""
    good, problems = [], []
    for clip in clips:
        scan = scans[clip.path]
        message = scan.error or _outside(clip, scan.seconds)
        if message:
            problems.append(Problem(clip.place, message, "error"))
            continue
        content = content_hash(clip.source.encode()) if clip.source else scan.content
        end = min(clip.end, scan.seconds)
        last = scan.last_before(end)
        good.append(replace(clip, end=end, content=content, last=last, size=scan.size))
    return good, problems


def _outside(clip: Clip, seconds: float) -> str:
    """Why an interval does not lie in its video; empty if it does."""
    length = f"{clip.path.name} has {seconds:.1f} s; correct it"
    if clip.start >= seconds:
        return f"starts at {clip.start:g} s, after the end of the video: {length}"
    if seconds + _ROUNDED < clip.end < float("inf"):
        return f"ends at {clip.end:g} s, after the end of the video: {length}"
    return ""


def _check_overlaps(
    clips: Sequence[Clip], scans: Mapping[Path, VideoScan], multi_label: bool
) -> tuple[list[Clip], list[Problem]]:
    """Leave out clips that show the same under another label, unless there are several labels."""
    by_video: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_video[scans[clip.path].content].append(clip)
    problems: list[Problem] = []
    left_out: set[Clip] = set()
    for video in by_video.values():
        before: list[Clip] = []
        for clip in sorted(video, key=lambda clip: (clip.start, clip.end)):
            # Annotations of one moment are rounded to either side.
            before = [other for other in before if other.end - clip.start > _ROUNDED]
            for other in before:
                problem, contradicts = _overlap(other, clip, multi_label)
                problems += problem
                left_out.update((clip, other) if contradicts else ())
            before.append(clip)
    return [clip for clip in clips if clip not in left_out], problems


def _overlap(first: Clip, second: Clip, multi_label: bool) -> tuple[list[Problem], bool]:
    """The problem of two clips that overlap, if there is one, and whether they contradict."""
    same = (first.start, first.end) == (second.start, second.end)
    if set(first.labels) != set(second.labels) and (same or not multi_label):
        names = " and ".join("|".join(c.labels) or "no label" for c in (first, second))
        what = "is the same clip as" if same else "overlaps"
        message = f"{what} {first} under another label ({names}); keep one"
        return [Problem(second.place, message, "error")], True
    if same and (first.split or "train") == (second.split or "train"):
        message = f"is the same clip as {first}; both are used, in the same split"
        return [Problem(second.place, message, "warning")], False
    return [], False


def _check_sources(clips: Sequence[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Leave out the training clips of sources that are evaluated as well."""
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        # Those without a split are for training.
        splits[clip.content].add(clip.split or "train")
    good, problems = [], []
    for clip in clips:
        if len(splits[clip.content]) == 1 or clip.split in {"val", "test"}:
            good.append(clip)
        if len(splits[clip.content]) > 1 and clip.split not in {"val", "test"}:
            where = " and ".join(sorted(splits[clip.content]))
            source = clip.source or clip.path.name
            message = (
                f"parts of its source {source} are in {where}: the metrics would be too good; "
                "give them the same split"
            )
            problems.append(Problem(clip.place, message, "error"))
    return good, problems


def _too_short(clip: Clip, window: float) -> Problem:
    message = (
        f"lasts {clip.seconds:.2f} s, less than the window of {window:g} s: its last frame is "
        "repeated; see --data.seconds"
    )
    return Problem(clip.place, message, "warning")
