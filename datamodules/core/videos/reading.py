"""Read frames of videos: from the cache, or decoded from their files."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from pytorch_lightning.utilities import rank_zero_only

from visus.datamodules.core.thread_pools import thread_pool
from visus.datamodules.core.videos.frame_cache import FrameCache, Key
from visus.vision.cores import usable_cores
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.progress import track
from visus.vision.resize import resize_to_input
from visus.vision.videos.reader import VideoReader

_MARGIN = 8 / 7
"""Short side of stored training frames relative to the network's input, as 256 to 224."""


class InVideo(Protocol):
    """A video, or a part of one."""

    @property
    def path(self) -> Path:
        """The video file."""
        ...


class VideoFrames:
    """Reads frames of videos at the size that a data set needs.

    For evaluation that is the network's input, resized as in inference. Training frames are stored
    whole, so that they can be cropped, and slightly larger than the input.

    Args:
        cache: Holds decoded frames.
        size: (height, width) of the network's input in pixels.
        mode: How frames are resized to it.
        augmented: Whether the frames will be augmented.
    """

    def __init__(
        self, cache: FrameCache, size: tuple[int, int], mode: ResizeMode, augmented: bool
    ) -> None:
        self.cache = cache
        self.size = size
        self.mode = mode
        self.augmented = augmented

    def __call__(self, video: InVideo, times: Sequence[float]) -> list[Pixels]:
        """The frames of a video.

        Args:
            video: The video, or a part of it.
            times: Times in the video in seconds, in ascending order.

        Returns:
            uint8 RGB of shape (height, width, 3) for each time.

        Raises:
            VideoError: If the video has changed since it was checked.
        """
        found: dict[float, Pixels] = {}
        for time in times:
            frame = self.cache.get(self._key(video.path, time))
            if frame is not None:
                found[time] = frame
        missing = [time for time in dict.fromkeys(times) if time not in found]
        if missing:
            with VideoReader(video.path, threads=1) as reader:
                found |= zip(missing, reader.frames_at(missing, self.resize), strict=True)
        return [found[time] for time in times]

    def resize(self, frame: Pixels) -> Pixels:
        """A frame at the size in which it is stored."""
        if not self.augmented:
            return resize_to_input(frame, self.size, self.mode)[0]
        height, width = frame.shape[:2]
        factor = _MARGIN * max(self.size[0] / height, self.size[1] / width)
        if factor >= 1:
            return frame
        return resize_to_input(frame, (round(height * factor), round(width * factor)), "stretch")[0]

    def fill(self, videos: Iterable[tuple[InVideo, Sequence[float]]]) -> None:
        """Decode each video once, and store its frames in the cache until it is full.

        Prints a warning if the cache does not hold all of them; the others are decoded whenever
        they are needed.

        Args:
            videos: Videos, or parts of them, and the times of their frames in seconds.
        """
        needed: dict[Path, set[float]] = {}
        for video, times in videos:
            missing = {time for time in times if self._key(video.path, time) not in self.cache}
            needed.setdefault(video.path, set()).update(missing)
        needed = {path: times for path, times in needed.items() if times}
        # OpenCV decodes outside the interpreter's lock, so threads use all cores.
        with thread_pool(usable_cores()) as pool:
            stored = pool.map(self._fill_video, needed.items())
            total = sum(track(stored, "Decoding clips", total=len(needed)))
        left = sum(map(len, needed.values())) - total
        if left:
            _warn(
                f"the cache of {self.cache.budget / 1e9:.1f} GB does not hold {left} frames of "
                "clips, which are decoded whenever they are needed; raise --data.cache, or choose "
                "a disk with more space by VISUS_CACHE"
            )

    def _fill_video(self, item: tuple[Path, set[float]]) -> int:
        """Store the frames of a video; returns their number."""
        path, times = item[0], sorted(item[1])
        stored = 0
        if self.cache.full:
            return 0
        with VideoReader(path, threads=1) as reader:
            for time, frame in zip(times, reader.frames_at(times, self.resize), strict=True):
                if not self.cache.add(self._key(path, time), frame):
                    break
                stored += 1
        return stored

    def _key(self, path: Path, time: float) -> Key:
        return str(path), round(time * 1e6), self.size, self.mode, self.augmented


@rank_zero_only
def _warn(message: str) -> None:
    print(f"visus: {message}", file=sys.stderr)
