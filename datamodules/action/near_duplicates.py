"""Find clips of different splits that show nearly the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.action.files import Clip
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.videos.scanning import VideoScan

_POSITIONS = (1 / 6, 1 / 2, 5 / 6)
"""Positions in a clip of the frames that are compared, as fractions of its duration."""

_MEAN_DIFFERENCE = 4.0
"""Root mean square difference of the thumbnails, in grey levels, up to which clips are alike."""

_LARGEST_DIFFERENCE = 40.0
"""Difference of a pixel of the thumbnails above which something else moves in front of a camera."""

_BLOCK = 1024


def near_duplicates(clips: Sequence[Clip], scans: Mapping[Path, VideoScan]) -> list[Problem]:
    """A warning for each clip that looks like one of another split.

    Clips of one source are left out; `check_sources` reports them.

    Args:
        clips: Checked clips with the splits that the data set states.
        scans: The scan of each video.
    """
    evaluated = [clip for clip in clips if clip.split in {"val", "test"}]
    training = [clip for clip in clips if clip.split not in {"val", "test"}]
    pairs = [(evaluated, training)]
    pairs.append(tuple([c for c in evaluated if c.split == s] for s in ("val", "test")))  # type: ignore[arg-type]
    problems = []
    for some, others in pairs:
        for clip, other in _alike(some, others, scans):
            message = (
                f"looks nearly the same as {other} of the split {other.split or 'train'}, and is "
                f"in {clip.split}: the metrics may be too good; give both the same split"
            )
            problems.append(Problem(clip.place, message, "warning"))
    return problems


def _alike(
    some: Sequence[Clip], others: Sequence[Clip], scans: Mapping[Path, VideoScan]
) -> list[tuple[Clip, Clip]]:
    """Each clip of the first list with the most similar one of the second, if they are alike."""
    if not some or not others:
        return []
    right = np.stack([_fingerprint(clip, scans[clip.path]) for clip in others])
    norms = (right**2).sum(1)
    found = []
    for first in range(0, len(some), _BLOCK):
        block = some[first : first + _BLOCK]
        left = np.stack([_fingerprint(clip, scans[clip.path]) for clip in block])
        squares = (left**2).sum(1)[:, None] + norms - 2 * left @ right.T
        for row, distances in enumerate(squares / right.shape[1]):
            for column in np.argsort(distances):
                # Products of float32 are rounded.
                if distances[column] > _MEAN_DIFFERENCE**2 + 0.5:
                    break
                largest = np.abs(left[row] - right[column]).max()
                if largest <= _LARGEST_DIFFERENCE and block[row].content != others[column].content:
                    found.append((block[row], others[column]))
                    break
    return found


def _fingerprint(clip: Clip, scan: VideoScan) -> NDArray[np.float32]:
    """The thumbnails of some frames without their mean brightness, shape (values,)."""
    times = clip.start + np.array(_POSITIONS) * clip.seconds
    indices = np.abs(scan.thumbnail_times[:, None] - times).argmin(0)
    values = scan.thumbnails[indices].astype(np.float32).ravel()
    return np.asarray(values - values.mean(), np.float32)
