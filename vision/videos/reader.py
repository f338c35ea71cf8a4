"""Decode video files: every frame, or those at given times."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.videos.edit_lists import hides_frames
from visus.vision.videos.packets import (
    DEFAULT_RATE,
    count_packets,
    grabs,
    open_container,
    usual_rate,
)
from visus.vision.videos.recognition import container_of
from visus.vision.videos.structure import find_interruption, start_time
from visus.vision.videos.unopened import why_unopened

TOLERANCE = 1e-3
"""Seconds by which a frame may precede the time that it is requested for: times are rounded."""

_MAX_FRAMES = 2**40
"""What containers without a number of frames declare is beyond it, or negative."""

_LONGEST_LAST_FRAME = 600.0
"""Seconds; a wrong duration would fill the disk of a recording."""


class VideoError(VisusError):
    """A video file that cannot be used; the message names it."""


class VideoReader:
    """The frames of a video file, upright, at the times that the container gives them.

    Times count from the first frame. Streams without a container have none, and their frames the
    declared rate or 25 frames/s. A frame whose time is not after that of the frame before follows
    it at that rate, so that times always increase.

    Args:
        path: The file.
        threads: Threads that decode; as many as there are cores by default.

    Attributes:
        size: (height, width) of the upright frames in pixels.
        declared: Number of frames, as the container declares or estimates it; 0 where it does not.
        average: Frames/s on average, as the container declares; 0 where it does not.
        seconds: Duration as the container declares it; None where it does not.

    Raises:
        VideoError: If the file cannot be opened.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.path = path
        options = () if threads is None else (cv2.CAP_PROP_N_THREADS, threads)
        self._capture = open_container(path, *options)
        if not self._capture.isOpened():
            raise VideoError(f"{path}: {why_unopened(path)}")
        self._container = container_of(path)
        self._codec = self._capture.get(cv2.CAP_PROP_FOURCC)
        self.size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        )
        self.average = max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0))
        declared = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.declared = declared if 0 < declared < _MAX_FRAMES else 0
        self.seconds = self.declared / self.average if self.declared and self.average else None
        self._has_times = self._container not in ("elementary", "jpeg")

    @cached_property
    def rate(self) -> float:
        """Frames/s of frames in close succession, which an average rate would hide."""
        if not self._has_times:
            return self.average or DEFAULT_RATE
        return usual_rate(self.path, self.average)

    def times(self) -> Iterator[float]:
        """Decode frame after frame; yields the time of each in seconds, see `image`.

        A reader decodes its file once, and closes it at the end.
        """
        moment, first = 0.0, None
        for _ in grabs(self._capture):
            stored = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if first is None:
                first = stored
            elif self._has_times and stored - first > moment:
                moment = stored - first
            else:
                moment += 1 / self.rate
            yield moment

    def image(self, resize: Callable[[Pixels], Pixels] | None = None) -> Pixels:
        """The frame at the time that `times` yielded last, uint8 RGB (height, width, 3).

        Args:
            resize: Function that resizes the frame and treats its channels alike: it is called
                before their order is changed, which is faster for small frames.

        Raises:
            VideoError: If there is none.
        """
        found, pixels = self._capture.retrieve()
        if not found:
            raise VideoError(f"{self.path}: a frame of it cannot be decoded; export it again")
        frame = np.asarray(pixels, np.uint8)
        return to_rgb(resize(frame) if resize else frame)

    def frames(self) -> Iterator[tuple[Pixels, float]]:
        """Each frame that can be decoded, uint8 RGB (height, width, 3), and its time in seconds."""
        for moment in self.times():
            found, pixels = self._capture.retrieve()
            if found:
                yield to_rgb(np.asarray(pixels, np.uint8)), moment

    def frames_at(
        self, times: Sequence[float], resize: Callable[[Pixels], Pixels] | None = None
    ) -> Iterator[Pixels]:
        """The first frame at or after each time.

        The file is decoded once, to the last of the times, and only these frames are converted.

        Args:
            times: Times in seconds, in ascending order, none after the last frame.
            resize: See `image`.

        Raises:
            VideoError: If the video ends before one of the times.
        """
        done = 0
        for moment in self.times():
            due = done
            while due < len(times) and times[due] <= moment + TOLERANCE:
                due += 1
            if due > done:
                yield from [self.image(resize)] * (due - done)
                done = due
            if done == len(times):
                return
        if done < len(times):
            raise VideoError(
                f"{self.path}: ends before {times[done]:.3f} s; it was longer when it was checked"
            )

    def missing_frames(self, count: int) -> str:
        """Why not every frame could be read; empty if all were.

        Many containers only estimate their number of frames, so another number is not an error.

        Args:
            count: Number of frames that were read until the end.
        """
        interruption = find_interruption(self.path, self._container)
        if interruption is None and count == self.declared:
            return ""
        if self._container == "mp4" and interruption is None and hides_frames(self.path):
            return ""
        stored = count_packets(self.path)
        if self._container == "mp4" or interruption is not None:
            stored = max(stored, self.declared)
        if count == 0 and stored:
            codec = int(self._codec).to_bytes(4, "little").decode("latin-1").strip("\0 ")
            return f"none of {stored} frames can be decoded (codec {codec}); convert it to H.264"
        if count < stored:
            found = f"{count} of {stored} frames"
        elif interruption is not None:
            found = f"{count} frames, then its structure ends at byte {interruption}"
        else:
            return ""
        return f"{found}; the file is truncated or damaged"

    def last_duration(self, count: int, moment: float, complete: bool) -> float:
        """The seconds from the time of the last frame to the end of the video.

        Args:
            count: Number of frames that were read until the end.
            moment: Time of the last frame in seconds.
            complete: Whether every frame was read; see `missing_frames`.
        """
        # The duration of an MP4 includes what an edit list leaves out.
        whole = complete and (self._container != "mp4" or count == self.declared)
        end = (self.seconds or 0.0) - start_time(self.path, self._container) if whole else 0.0
        return min(max(end - moment, 1 / self.rate), _LONGEST_LAST_FRAME)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def to_rgb(pixels: Pixels) -> Pixels:
    """From OpenCV's BGR to RGB."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
