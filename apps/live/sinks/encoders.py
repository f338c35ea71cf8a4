"""Video encoders: the ffmpeg program where it is installed, OpenCV otherwise."""

import queue
import shutil
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import cv2

from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.output_files import replacing
from visus.vision.printable import printable

_FFMPEG = {
    ".mp4": (
        ("libx264", "-preset", "veryfast", "-crf", "23"),
        ("libopenh264", "-b:v", "4M"),
    ),
    ".webm": (
        ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "2M"),
    ),
}
"""Encoders of the ffmpeg program by the file's suffix; the first available one is used."""

_OPENCV = {".mp4": "mp4v", ".webm": "VP80"}
"""OpenCV's codecs: its VP9 encodes eight frames/s, and its H.264 needs a device."""

SUFFIXES = tuple(_OPENCV)

_QUEUE_SIZE = 16
"""Frames that may wait for OpenCV's encoder."""


class Encoder(ABC):
    """Writes a video file."""

    @abstractmethod
    def write(self, pixels: Any) -> None:
        """Append a frame: uint8, BGR, of the size of the video."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file, without which no player opens it."""


def open_encoder(path: Path, rate: float, size: tuple[int, int]) -> Encoder:
    """Open a video for writing.

    Args:
        path: The suffix sets the codec: `.mp4` is H.264 where the ffmpeg program has an encoder for
            it and MPEG-4 Part 2 otherwise, which browsers do not play; `.webm` is VP9, or VP8.
        rate: Frames/s.
        size: (width, height) in pixels, both even.

    Raises:
        VisusError: If it cannot be written.
    """
    encoder = _ReplacingEncoder(path, rate, size)
    if not plays_in_browsers(path.suffix.lower()):
        remedy = "install the ffmpeg program, or write a .webm"
        print(printable(f"visus: {path}: browsers do not play it; {remedy}"), file=sys.stderr)
    return encoder


def plays_in_browsers(suffix: str) -> bool:
    """Whether browsers play the videos of this suffix that are written on this machine."""
    return suffix != ".mp4" or _ffmpeg_codec(suffix) is not None


class _ReplacingEncoder(Encoder):
    """Writes beside an earlier file, which is replaced once the video is finished."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self._finishing = ExitStack()
        part = self._finishing.enter_context(replacing(path))
        codec = _ffmpeg_codec(path.suffix.lower())
        with self._discarding():
            self._encoder: Encoder = (
                _OpenCvEncoder(part, path, rate, size)
                if codec is None
                else _FfmpegEncoder(part, path, rate, size, codec)
            )

    def write(self, pixels: Any) -> None:
        with self._discarding():
            self._encoder.write(pixels)

    def close(self) -> None:
        with self._discarding():
            self._encoder.close()
        self._finishing.close()

    @contextmanager
    def _discarding(self) -> Iterator[None]:
        """Remove the unfinished file after an error."""
        try:
            yield
        except VisusError as error:
            with suppress(VisusError):
                self._finishing.__exit__(type(error), error, error.__traceback__)
            raise


def _ffmpeg_codec(suffix: str) -> tuple[str, ...] | None:
    """The arguments of the ffmpeg program's encoder; None where it has none."""
    return next((each for each in _FFMPEG[suffix] if each[0] in _ffmpeg_encoders()), None)


@cache
def _ffmpeg_encoders() -> frozenset[str]:
    """The encoders of the ffmpeg program; empty where it is not installed."""
    program = shutil.which("ffmpeg")
    if program is None:
        return frozenset()
    done = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True)
    return frozenset(word for line in done.stdout.splitlines() for word in line.split()[1:2])


class _FfmpegEncoder(Encoder):
    def __init__(
        self,
        part: Path,
        path: Path,
        rate: float,
        size: tuple[int, int],
        codec: tuple[str, ...],
    ) -> None:
        self._path = path
        command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"]
        command += ["-s", f"{size[0]}x{size[1]}", "-r", f"{rate:g}", "-i", "-", "-c:v", *codec]
        command += ["-pix_fmt", "yuv420p"]
        if path.suffix.lower() == ".mp4":
            # The index first, so that a browser can play while it downloads.
            command += ["-movflags", "+faststart"]
        command.append(f"file:{part}")
        # A new session, so that the Ctrl+C that ends the loop does not end the encoder first.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def write(self, pixels: Pixels) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pixels.data)
        except BrokenPipeError:
            self.close()

    def close(self) -> None:
        if self._process.stdin is not None and self._process.stdin.closed:
            return
        _, message = self._process.communicate()
        if self._process.returncode:
            reason = message.decode(errors="replace").strip().splitlines() or ["ffmpeg failed"]
            raise VisusError(f"{self._path}: cannot be written ({reason[-1]})")


class _OpenCvEncoder(Encoder):
    """OpenCV's encoder in a thread: the loop waits only for an encoder slower than itself."""

    def __init__(self, part: Path, path: Path, rate: float, size: tuple[int, int]) -> None:
        self._part, self._path = part, path
        self._written = 0
        # Its errors are found by `close`.
        cv2.utils.logging.setLogLevel(0)
        code = cv2.VideoWriter.fourcc(*_OPENCV[path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(part), code, rate, size)
        if not self._writer.isOpened():
            raise VisusError(f"{path}: cannot be written; check folder and disk")
        self._queue: queue.Queue[Any] = queue.Queue(_QUEUE_SIZE)
        self._thread = threading.Thread(target=self._encode, name="encoder", daemon=True)
        self._thread.start()

    def write(self, pixels: Pixels) -> None:
        self._written += 1
        self._queue.put(pixels)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._writer.release()
        # OpenCV ignores a full disk.
        if self._part.is_file() and not self._complete():
            raise VisusError(f"{self._path}: cannot be written completely; check the disk")

    def _complete(self) -> bool:
        """Whether the last frame can be read."""
        capture = cv2.VideoCapture(str(self._part))
        last = self._written - 1
        found = (
            capture.isOpened()
            and capture.get(cv2.CAP_PROP_FRAME_COUNT) > last
            and capture.set(cv2.CAP_PROP_POS_FRAMES, last)
            and capture.read()[0]
        )
        capture.release()
        return bool(found)

    def _encode(self) -> None:
        while (pixels := self._queue.get()) is not None:
            self._writer.write(pixels)
