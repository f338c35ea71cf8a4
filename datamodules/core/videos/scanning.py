"""Decode every video of a data set once, to find its duration, its damage and its fingerprint."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.images import file_hash
from visus.datamodules.core.thread_pools import thread_pool
from visus.vision.cores import usable_cores
from visus.vision.progress import track
from visus.vision.videos.reader import VideoError, VideoReader

THUMBNAIL = 16
"""Side of the thumbnails in pixels."""

_THUMBNAILS_PER_SECOND = 4
_VARIABLE = 0.25
"""Relative range of the frame intervals above which the frame rate is called variable."""


_TOO_FEW = (
    "holds no frame; record or fetch it again",
    "holds a single frame and has no duration; a clip needs several",
)
"""Problems of videos with no frame and with one."""


@dataclass(frozen=True, eq=False)
class VideoScan:
    """What decoding a video found.

    Attributes:
        size: (height, width) of the upright frames in pixels; (0, 0) if it cannot be read.
        times: float64 of shape (frames,), the time of each frame in seconds.
        seconds: Duration.
        variable: Whether the frame rate varies.
        content: `content_hash` of the file; empty if it cannot be read.
        error: Why it cannot be used; empty if it can.
        thumbnail_times: float64 of shape (N,), in seconds.
        thumbnails: uint8 of shape (N, THUMBNAIL, THUMBNAIL), grey, at these times.
    """

    size: tuple[int, int]
    times: NDArray[np.float64]
    seconds: float
    variable: bool
    content: str
    error: str
    thumbnail_times: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]

    def last_before(self, end: float) -> float:
        """The time of the last frame before a time in seconds."""
        return float(self.times[max(0, int(np.searchsorted(self.times, end)) - 1)])


def scan_videos(paths: Iterable[Path]) -> Iterator[tuple[Path, VideoScan]]:
    """Decode videos, in parallel; yields the results in order."""
    paths = list(paths)
    # OpenCV decodes outside the interpreter's lock, so threads use all cores.
    with thread_pool(usable_cores()) as pool:
        scans = track(pool.map(scan_video, paths), "Checking videos", total=len(paths))
        yield from zip(paths, scans, strict=True)


def scan_video(path: Path) -> VideoScan:
    """Decode a video to its end."""
    times: list[float] = []
    kept: list[float] = []
    thumbnails: list[NDArray[np.uint8]] = []
    try:
        with VideoReader(path, threads=1) as reader:
            for time in reader.times():
                times.append(time)
                if not kept or time >= kept[-1] + 1 / _THUMBNAILS_PER_SECOND:
                    kept.append(time)
                    thumbnails.append(_thumbnail(reader.image()))
            missing = reader.missing_frames(len(times))
            last = times[-1] if times else 0.0
            seconds = last + reader.last_duration(len(times), last, not missing)
            size = reader.size
        content = file_hash(path)
    except (VideoError, OSError) as problem:
        # The problem's place names the file.
        missing, size, seconds, content = str(problem).removeprefix(f"{path}: "), (0, 0), 0.0, ""
    intervals = np.diff(times) if len(times) > 1 else np.zeros(1)
    usual = float(np.median(intervals))
    return VideoScan(
        size,
        np.array(times),
        seconds,
        # The last frame of some files has a time of its own.
        bool(np.ptp(intervals[:-1]) > _VARIABLE * usual) if len(times) > 2 else False,
        content,
        missing or ("" if len(times) > 1 else _TOO_FEW[len(times)]),
        np.array(kept),
        np.array(thumbnails, np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL),
    )


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey copy; each pixel is the mean of an area, in which the noise of coding vanishes."""
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
