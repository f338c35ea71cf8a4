"""Video files that are written frame by frame, and that play while they are written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from visus.apps.live.sinks.ffmpeg import FfmpegEncoder, ffmpeg_codec
from visus.apps.live.sinks.opencv import OpenCvEncoder
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.output_files import unwritable
from visus.vision.printable import printable
from visus.vision.videos.packets import count_packets
from visus.vision.videos.recognition import container_of
from visus.vision.videos.structure import find_interruption

SUFFIXES = (".mp4", ".webm")


class Encoder(Protocol):
    """Writes a video file."""

    def write(self, pixels: Pixels) -> None:
        """Append a frame: uint8, BGR, of the size of the video."""

    def close(self) -> None:
        """Finish the file."""


def open_encoder(path: Path, rate: float, size: tuple[int, int]) -> Encoder:
    """Open a video for writing.

    Until it is closed, it is `NAME.unfinished.mp4` beside `path`, which plays up to the last second
    whatever happens. An earlier file is replaced only by the finished one.

    Args:
        path: The suffix sets the codec: `.mp4` is H.264 where the ffmpeg program has an encoder for
            it and MPEG-4 Part 2 otherwise, which browsers do not play; `.webm` is VP9, or VP8.
        rate: Frames/s.
        size: (width, height) in pixels, both even.

    Raises:
        VisusError: If it cannot be written; so do `write` and `close`, which then name the
            unfinished file and the seconds that it plays.
    """
    encoder = _Recording(path, rate, size)
    if not plays_in_browsers(path.suffix.lower()):
        remedy = "install the ffmpeg program, or write a .webm"
        print(printable(f"visus: {path}: browsers do not play it; {remedy}"), file=sys.stderr)
    return encoder


def plays_in_browsers(suffix: str) -> bool:
    """Whether browsers play the videos of this suffix that are written on this machine."""
    return suffix != ".mp4" or ffmpeg_codec(suffix) is not None


class _Recording:
    """Writes beside an earlier file, which is replaced once the video is finished."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self._path, self._rate = path, rate
        # A link is not replaced, but the file that it points to; a device is written to.
        self._target = path.resolve()
        special = self._target.exists() and not self._target.is_file()
        self._unfinished = path if special else _unused_name(self._target, path.suffix)
        self._replaces = not special
        self._encoder: Encoder | None = None
        codec = ffmpeg_codec(path.suffix.lower())
        with self._reporting():
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._encoder = (
                OpenCvEncoder(self._unfinished, rate, size)
                if codec is None
                else FfmpegEncoder(self._unfinished, rate, size, codec)
            )

    def write(self, pixels: Pixels) -> None:
        if self._encoder is not None:
            with self._reporting():
                self._encoder.write(pixels)

    def close(self) -> None:
        if self._encoder is not None:
            with self._reporting():
                self._encoder.close()
                self._encoder = None
                if self._replaces:
                    self._unfinished.replace(self._target)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """After an error, say what of the file plays."""
        try:
            yield
        except (OSError, VisusError) as error:
            encoder, self._encoder = self._encoder, None
            if encoder is not None:
                with suppress(OSError, VisusError):
                    encoder.close()
            raise self._failure(error) from None

    def _failure(self, error: OSError | VisusError) -> VisusError:
        written = self._replaces and self._unfinished.is_file()
        seconds = self._trim() / self._rate if written else 0.0
        if seconds:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            place = (
                f"{self._path.with_name(self._unfinished.name)} plays up to second {seconds:.1f}"
            )
            return VisusError(f"{self._path}: cannot be written ({reason}); {place}")
        if written:
            with suppress(OSError):
                self._unfinished.unlink()
        if isinstance(error, OSError):
            return unwritable(self._path, error)
        return VisusError(
            f"{self._path}: cannot be written ({error}); check its folder and the disk"
        )

    def _trim(self) -> int:
        """Remove an incomplete end of the unfinished file; returns its number of frames."""
        with suppress(OSError):
            end = find_interruption(self._unfinished, container_of(self._unfinished))
            if end is not None:
                os.truncate(self._unfinished, end)
        return count_packets(self._unfinished)


def _unused_name(path: Path, suffix: str) -> Path:
    """The name of the unfinished file; one that was left behind holds frames, and is kept."""
    number = 1
    while True:
        mark = "unfinished" if number == 1 else f"unfinished-{number}"
        # The names of files may be as long as the file system allows.
        found = path.with_name(f"{path.stem[:200]}.{mark}{suffix}")
        if not found.exists():
            return found
        number += 1
