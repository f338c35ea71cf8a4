"""Where frames come from: a picture, a folder, a glob, a video, a camera."""

import glob
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.errors import VisusError
from vision.images import ARRAY_EXTENSION, EXTENSIONS, ImageError, Pixels, list_images, read_image

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
    """

    image: Pixels
    source: str
    index: int | None
    time: float | None
    captured: float


class Source(ABC):
    """A stream of frames.

    Attributes:
        live: Whether frames are lost that nobody takes in time.
        still: Whether the frames are pictures that have nothing to do with each other.
        rate: Frames a second; 0 where it is unknown.
        problems: What could not be read, a message each.
    """

    live = False
    still = False
    rate = 0.0

    def __init__(self) -> None:
        self.problems: list[str] = []

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """The frames, in order."""


class PictureSource(Source):
    """Picture files; one that cannot be read becomes a problem, the others go on."""

    still = True

    def __init__(self, paths: list[Path]) -> None:
        super().__init__()
        self.paths = paths

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        for path in self.paths:
            try:
                image = read_image(path)
            except ImageError as error:
                self.problems.append(str(error))
                continue
            yield Frame(image, str(path), None, None, time.perf_counter())


class VideoSource(Source):
    """A video file, frame by frame, none left out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._capture = _quiet_capture(str(path))
        if not self._capture.isOpened():
            raise VisusError(
                f"{path}: cannot be opened as a video; it is damaged or of an unknown format"
            )
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self.declared = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`; a video that ends too early becomes a problem."""
        index = 0
        while True:
            read, pixels = self._capture.read()
            if not read:
                break
            moment = index / self.rate if self.rate else 0.0
            yield Frame(_to_rgb(pixels), str(self.path), index, moment, time.perf_counter())
            index += 1
        self._capture.release()
        # Containers without an index only estimate their count.
        if index < self.declared - max(2, self.declared // 50):
            self.problems.append(
                f"{self.path}: {index} of {self.declared} frames; the file is cut or damaged there"
            )


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

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        due = 0.0
        for frame in self._source.frames():
            # A moment may fall between two frames by less than half of one.
            if frame.time is None or frame.time + 1e-3 >= due:
                yield frame
                due += self._seconds


class CameraSource(Source):
    """A camera, read in a thread of its own; whoever asks gets the newest frame.

    Args:
        index: The camera's number.
        capture: An opened capture to read instead, with OpenCV's interface.
    """

    live = True

    def __init__(self, index: int, capture: Any = None) -> None:
        super().__init__()
        self.name = f"camera {index}"
        self.dropped = 0
        self._capture = capture if capture is not None else _quiet_capture(index)
        if not self._capture.isOpened():
            raise VisusError(
                f"camera {index}: there is none, or another program holds it; "
                "visus doctor lists cameras"
            )
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self._newest: Frame | None = None
        self._arrived = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`; frames that nobody took are counted in `dropped`."""
        self._thread.start()
        try:
            while True:
                with self._arrived:
                    self._arrived.wait_for(lambda: self._newest is not None or self._ended, 5)
                    frame, self._newest = self._newest, None
                if frame is None:
                    state = "ended" if self._ended else "has sent nothing for 5 seconds"
                    self.problems.append(f"{self.name}: the stream {state}")
                    return
                yield frame
        finally:
            self._ended = True
            self._thread.join(timeout=2)
            self._capture.release()

    def _read(self) -> None:
        start = time.perf_counter()
        index = 0
        while not self._ended:
            try:
                read, pixels = self._capture.read()
            except cv2.error:
                break
            if not read:
                break
            now = time.perf_counter()
            frame = Frame(_to_rgb(pixels), self.name, index, now - start, now)
            with self._arrived:
                self.dropped += self._newest is not None
                self._newest = frame
                self._arrived.notify()
            index += 1
        with self._arrived:
            self._ended = True
            self._arrived.notify()


def open_source(source: str) -> Source:
    """What SOURCE on the command line names.

    Args:
        source: A picture, a folder, a glob, a video, or a camera's number.

    Raises:
        VisusError: If it names nothing that can be opened.
    """
    if source.isdecimal():
        return CameraSource(int(source))
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
            "give a picture, a folder, a glob, a video or a camera's number"
        )
    if path.suffix.lower() in _VIDEO_EXTENSIONS:
        return VideoSource(path)
    return PictureSource([path])


def _quiet_capture(source: str | int) -> cv2.VideoCapture:
    """A capture whose backends do not write their own errors on the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(0)
    return cv2.VideoCapture(source)


def _to_rgb(pixels: Any) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
