"""Sources: image files and video files."""

import os
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from visus.apps.live.prefetch import prefetch
from visus.apps.live.sources.base import Source
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import ImageError, Pixels, decode_image
from visus.vision.printable import printable

_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpeg,mpegts,mpegvideo,m4v,h264,hevc,flv,ogg,"
    "ivf,mjpeg,gif"
)
"""ffmpeg's names of the formats that hold frames themselves."""


class ImageSource(Source):
    """Image files; one that cannot be read becomes a problem.

    Lossy conversions, such as of 16 bits to 8, are noted on standard error, once for each file.
    """

    still = True

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths)
        self.stored = len(paths) > 1
        self.total = len(paths)

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        noted: set[Path] = set()
        for path in self.files:
            try:
                image = decode_image(path)
            except ImageError as error:
                self.problems.append(str(error))
                continue
            if image.info.notes and path not in noted:
                noted.add(path)
                notes = f"visus: {path}: {'; '.join(image.info.notes)}"
                print(printable(notes), file=sys.stderr)
            yield Frame(image.pixels, str(path), None, None, time.perf_counter())


class VideoSource(Source):
    """A video file, every frame."""

    stored = True

    def __init__(self, path: Path) -> None:
        super().__init__([path])
        self.path = path
        self._capture = _open_container(path)
        if not self._capture.isOpened():
            raise VisusError(
                f"{path}: cannot be opened as a video; it is damaged or of an unknown format"
            )
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self.declared = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = max(0, self.declared) or None

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; a truncated video becomes a problem."""
        index = 0
        for image in prefetch(self._images()):
            moment = index / self.rate if self.rate else 0.0
            yield Frame(image, str(self.path), index, moment, time.perf_counter())
            index += 1
        # Containers without an index only estimate their number of frames.
        if index < self.declared - max(2, self.declared // 50):
            self.problems.append(
                f"{self.path}: {index} of {self.declared} frames; the file is truncated or damaged"
            )

    def _images(self) -> Iterator[Pixels]:
        try:
            while (read := self._capture.read())[0]:
                yield to_rgb(read[1])
        finally:
            self._capture.release()


def _open_container(path: Path) -> cv2.VideoCapture:
    """Open a video file; a playlist in it, which ffmpeg would follow to other files, is refused."""
    before = os.environ.get(_FFMPEG_OPTIONS)
    os.environ[_FFMPEG_OPTIONS] = f"format_whitelist;{_CONTAINERS}|protocol_whitelist;file"
    try:
        return quiet_capture(str(path))
    finally:
        # Streams have options of their own.
        del os.environ[_FFMPEG_OPTIONS]
        if before is not None:
            os.environ[_FFMPEG_OPTIONS] = before


def quiet_capture(source: str | int, *arguments: Any) -> cv2.VideoCapture:
    """A capture whose backends do not print errors."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(0)
    return cv2.VideoCapture(source, *arguments)


def to_rgb(pixels: Any) -> Pixels:
    """From OpenCV's BGR to RGB."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
