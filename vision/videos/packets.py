"""The encoded frames of a video, read without decoding them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from visus.vision.image_files import EXTENSIONS

_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,ogg,"
    "ivf,mjpeg,jpeg_pipe"
)
"""ffmpeg's names of the formats that hold frames themselves."""

_ATTEMPTS = 100
"""Reads after which a video has ended; OpenCV's fail at each frame that cannot be decoded, too."""

_SCANNED = 1000
"""Packets from which the rate is taken."""

_COMMON_RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0)

_MAX_RATE = 240.0

_VP8 = int.from_bytes(b"VP80", "little")

_OPENING = threading.Lock()
"""The options are a variable of the environment, which all threads share."""

DEFAULT_RATE = 25.0
"""Frames/s where nothing else is known, as in ffmpeg."""


def open_container(path: Path, *parameters: int) -> cv2.VideoCapture:
    """Open a video file; a playlist in it, which ffmpeg would follow to other files, is refused.

    Args:
        path: The file.
        parameters: Properties of the capture and their values, in turn.
    """
    with _OPENING:
        before = os.environ.get(_FFMPEG_OPTIONS)
        os.environ[_FFMPEG_OPTIONS] = f"format_whitelist;{_CONTAINERS}|protocol_whitelist;file"
        try:
            with _without_image_ending(path) as name:
                # Other backends take a number in a name for that of the first of several files.
                return quiet_capture(str(name), cv2.CAP_FFMPEG, parameters)
        finally:
            # Streams have options of their own.
            del os.environ[_FFMPEG_OPTIONS]
            if before is not None:
                os.environ[_FFMPEG_OPTIONS] = before


@contextmanager
def _without_image_ending(path: Path) -> Iterator[Path]:
    """A name under which ffmpeg does not take a video for an image."""
    if path.suffix.lower() not in EXTENSIONS:
        yield path
        return
    with TemporaryDirectory(prefix="visus-") as folder:
        link = Path(folder) / "video"
        try:
            link.symlink_to(path.resolve())
        except OSError:
            # Windows reserves links to administrators.
            link = path
        yield link


def quiet_capture(source: str | int, *arguments: Any) -> cv2.VideoCapture:
    """A capture whose backends do not print errors."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(0)
    return cv2.VideoCapture(source, *arguments)


def grabs(capture: cv2.VideoCapture) -> Iterator[None]:
    """Grab each frame of a video that can be decoded; the capture is released at the end.

    Args:
        capture: Of a video; `retrieve` returns the grabbed frame.
    """
    failures = 0
    try:
        while failures < _ATTEMPTS:
            if capture.grab():
                failures = 0
                yield
            else:
                failures += 1
    finally:
        capture.release()


def count_packets(path: Path) -> int:
    """The number of encoded frames that a video holds."""
    return sum(1 for _ in _times(path))


def usual_rate(path: Path, declared: float) -> float:
    """Frames/s of the frames in close succession, among the first thousand.

    Args:
        path: A video.
        declared: Frames/s as the container declares them, which may be an average; it is returned
            where the frames keep it.
    """
    times = np.unique(list(islice(_times(path), _SCANNED)))
    if len(times) < 3:
        return declared or DEFAULT_RATE
    # The smallest may be an exception.
    rate = 1000 / float(np.percentile(np.diff(times), 5))
    candidates = ([declared] if declared else []) + list(_COMMON_RATES)
    close = [each for each in candidates if abs(each - rate) < 0.04 * rate]
    return min(close[0] if close else round(rate, 2), _MAX_RATE)


def _times(path: Path) -> Iterator[float]:
    """The time of each encoded frame in milliseconds, in the order of decoding."""
    capture = open_container(path, cv2.CAP_PROP_FORMAT, -1)
    has_hidden = int(capture.get(cv2.CAP_PROP_FOURCC)) == _VP8
    for _ in grabs(capture):
        # The flag that a frame is shown; others only predict later ones.
        if has_hidden and not int(capture.retrieve()[1].flat[0]) & 0x10:
            continue
        yield capture.get(cv2.CAP_PROP_POS_MSEC)
