"""Where frames come from: a picture, a folder, a glob, a video, raw frames from a pipe."""

import glob
import itertools
import math
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from visus.apps.addresses import SCHEMES, is_stream
from visus.apps.live.parallel import one_ahead
from visus.vision.errors import VisusError
from visus.vision.images import ARRAY_EXTENSION, EXTENSIONS, ImageError, Pixels, list_images, read_image

_VIDEO_EXTENSIONS = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture on its way.

    Attributes:
        image: uint8 RGB of shape (height, width, 3); from a `.npy` file the array as it is.
        source: The file's or the camera's name.
        index: Number in its video or camera stream, from 0; None for a picture.
        time: Seconds since the start of the video or the stream; None for a picture.
        captured: `time.perf_counter()` when it was taken.
        note: Why this is the frame before once more, on a live source that has been interrupted.
    """

    image: Pixels
    source: str
    index: int | None
    time: float | None
    captured: float
    note: str = ""


class Source(ABC):
    """A stream of frames.

    Attributes:
        live: Whether frames are lost that nobody takes in time.
        still: Whether the frames are pictures that have nothing to do with each other.
        waits: Whether there are many frames, none of which is made while others are looked at.
        rate: Frames a second; 0 where it is unknown.
        files: What it is read from, where that is files.
        problems: What could not be read, a message each.
    """

    live = False
    still = False
    waits = False
    rate = 0.0

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = files
        self.problems: list[str] = []

    @abstractmethod
    def frames(self) -> Generator[Frame, None, None]:
        """The frames, in order; closing it gives back what they come from."""


class PictureSource(Source):
    """Picture files; one that cannot be read becomes a problem, the others go on."""

    still = True

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths)
        self.waits = len(paths) > 1

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        for path in self.files:
            try:
                image = read_image(path)
            except ImageError as error:
                self.problems.append(str(error))
                continue
            yield Frame(image, str(path), None, None, time.perf_counter())


class VideoSource(Source):
    """A video file, frame by frame, none left out."""

    waits = True

    def __init__(self, path: Path) -> None:
        super().__init__([path])
        self.path = path
        self._capture = quiet_capture(str(path))
        if not self._capture.isOpened():
            raise VisusError(
                f"{path}: cannot be opened as a video; it is damaged or of an unknown format"
            )
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self.declared = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; a video that ends too early becomes a problem."""
        index = 0
        for image in one_ahead(self._images()):
            moment = index / self.rate if self.rate else 0.0
            yield Frame(image, str(self.path), index, moment, time.perf_counter())
            index += 1
        # Containers without an index only estimate their count.
        if index < self.declared - max(2, self.declared // 50):
            self.problems.append(
                f"{self.path}: {index} of {self.declared} frames; the file is cut or damaged there"
            )

    def _images(self) -> Iterator[Pixels]:
        try:
            while (read := self._capture.read())[0]:
                yield to_rgb(read[1])
        finally:
            self._capture.release()


class SpacedSource(Source):
    """Of a video or a stream one frame at each of equally spaced moments.

    Args:
        source: Where the frames come from.
        seconds: Between two of them.
    """

    def __init__(self, source: Source, seconds: float) -> None:
        super().__init__()
        self.live, self.rate = source.live, 1 / seconds
        self.problems = source.problems
        self._source = source
        self._seconds = seconds

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        due = 0.0
        for frame in self._source.frames():
            # A moment may fall between two frames by less than half of one.
            if frame.time is None or frame.time + 1e-3 >= due:
                yield frame
                due += self._seconds


class RawSource(Source):
    """Raw frames from a pipe, one after the other, none left out.

    Args:
        pipe: Three bytes a pixel, red first, row by row.
        size: (height, width) in pixels.
        rate: Frames a second; 0 takes the times at which they come.
    """

    def __init__(self, pipe: IO[bytes], size: tuple[int, int], rate: float = 0.0) -> None:
        super().__init__()
        self._pipe = pipe
        self._size = size
        self.rate = rate

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; a frame that is cut short becomes a problem."""
        start = time.perf_counter()
        height, width = self._size
        for index in itertools.count():
            data = self._pipe.read(height * width * 3)
            if len(data) < height * width * 3:
                if data:
                    self.problems.append(
                        f"standard input: {len(data)} bytes after frame {index} are no frame of "
                        f"{width} x {height}; see --size"
                    )
                elif index == 0:
                    self.problems.append("standard input: holds no frame")
                return
            now = time.perf_counter()
            image = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            moment = index / self.rate if self.rate else now - start
            yield Frame(image, "standard input", index, moment, now)


def open_source(source: str, size: str | None = None, rate: float | None = None) -> Source:
    """What SOURCE on the command line names.

    Args:
        source: A picture, a folder, a glob, a video, a camera's number, the address of a stream, or
            `-` for raw frames on the standard input.
        size: Of raw frames, such as `640x480`.
        rate: Of raw frames, in frames a second.

    Raises:
        VisusError: If it names nothing that can be opened.
    """
    from visus.apps.live.sources.streams import open_camera, open_stream

    if (size is not None) != (source == "-"):
        raise VisusError("source - needs --size WIDTHxHEIGHT of its raw frames, and no other does")
    if rate is not None and (source != "-" or not 0 < rate < math.inf):
        raise VisusError(f"--rate {rate:g}: is the frames a second of the raw frames of source -")
    if size is not None:
        return RawSource(sys.stdin.buffer, _parse_size(size), rate or 0.0)
    if source.isdecimal():
        return open_camera(int(source))
    if is_stream(source):
        return open_stream(source)
    if "://" in source:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise VisusError(f"source {source!r}: visus reads addresses that begin with {known}")
    if not source:
        raise VisusError("the source is empty; name a file, a folder or a camera's number")
    path = Path(source)
    if path.is_dir():
        paths = list_images(path, arrays=True)
        if not paths:
            raise VisusError(f"source {source!r}: the folder holds no picture")
        return PictureSource(paths)
    if not path.exists() and glob.has_magic(source):
        paths = [Path(name) for name in sorted(glob.glob(source, recursive=True))]
        paths = [path for path in paths if path.suffix.lower() in {*EXTENSIONS, ARRAY_EXTENSION}]
        if not paths:
            raise VisusError(f"source {source!r}: matches no picture")
        return PictureSource(paths)
    if not path.is_file():
        raise VisusError(
            f"source {source!r}: there is no such file; "
            "give a picture, a folder, a glob, a video, a camera's number or a stream's address"
        )
    if path.suffix.lower() in _VIDEO_EXTENSIONS:
        return VideoSource(path)
    return PictureSource([path])


def _parse_size(text: str) -> tuple[int, int]:
    """(height, width) of `WIDTHxHEIGHT`."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise VisusError(f"--size {text!r} is no size; write WIDTHxHEIGHT, such as 640x480")
    return int(found[2]), int(found[1])


def quiet_capture(source: str | int, *arguments: Any) -> cv2.VideoCapture:
    """A capture whose backends do not write their own errors on the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(0)
    return cv2.VideoCapture(source, *arguments)


def to_rgb(pixels: Any) -> Pixels:
    """From OpenCV's order of channels."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
