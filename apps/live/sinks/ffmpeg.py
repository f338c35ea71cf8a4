"""The ffmpeg program as an encoder."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import uuid4

from visus.vision.errors import VisusError
from visus.vision.images import Pixels

_THREADS = 4
"""Each of H.264's threads holds a frame back."""

_PREDICTED_FRAMES = 7
"""Frames that H.264's encoder holds back besides, which save a quarter of the file."""

_H264_RATE = 2.0 * (_THREADS + _PREDICTED_FRAMES)
"""Frames/s from which it holds back less than half a second; below it predicts no frames."""

_CODECS = {
    ".mp4": (
        f"libx264 -preset veryfast -crf 23 -threads {_THREADS}",
        "libopenh264 -b:v 4M",
    ),
    ".webm": ("libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -b:v 2M -lag-in-frames 0",),
}
"""Encoders of the ffmpeg program by the file's suffix; the first available one is used."""

_FRAGMENTS = {
    ".mp4": "-movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 250000",
    ".webm": "-cluster_time_limit 250",
}
"""Everything up to the last 0.25 s can be played while the file is written."""


def ffmpeg_codec(suffix: str) -> list[str] | None:
    """The arguments of the ffmpeg program's encoder; None where it has none."""
    codecs = (codec.split() for codec in _CODECS[suffix])
    return next((codec for codec in codecs if codec[0] in ffmpeg_encoders()), None)


@cache
def ffmpeg_encoders() -> frozenset[str]:
    """The encoders of the ffmpeg program; empty where it is not installed."""
    program = shutil.which("ffmpeg")
    if program is None:
        return frozenset()
    done = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True)
    return frozenset(word for line in done.stdout.splitlines() for word in line.split()[1:2])


class FfmpegEncoder:
    """A process that encodes.

    Args:
        path: The file to write.
        rate: Frames/s.
        size: (width, height) in pixels.
        codec: See `ffmpeg_codec`.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int], codec: list[str]) -> None:
        self._path = path
        command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"]
        command += ["-s", f"{size[0]}x{size[1]}", "-r", f"{rate:g}", "-i", "-", "-c:v", *codec]
        if codec[0] == "libx264":
            predicted = ("-x264-params", "rc-lookahead=5:sync-lookahead=0:bframes=2")
            command += predicted if rate >= _H264_RATE else ("-tune", "zerolatency")
        command += [*_FRAGMENTS[path.suffix.lower()].split(), "-flush_packets", "1"]
        command += ["-pix_fmt", "yuv420p", f"file:{path}"]
        # Apart, so that the Ctrl+C that ends the loop does not end the encoder first.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(command, stdin=PIPE, stderr=PIPE, **apart)

    def write(self, pixels: Pixels) -> None:
        """Append a frame: uint8, BGR, of the size of the video.

        Raises:
            VisusError: If the process ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pixels.data)
        except BrokenPipeError:
            self._wait()
            raise VisusError("ffmpeg ended before the video") from None

    def close(self) -> None:
        """Finish the file.

        Raises:
            VisusError: If it could not be written.
        """
        if self._process.returncode is not None:
            return
        self._wait()
        if self._path.suffix.lower() == ".mp4" and self._path.is_file():
            self._move_index()

    def _wait(self) -> None:
        """Wait for the end of the process.

        Raises:
            VisusError: If it failed.
        """
        _, message = self._process.communicate()
        code = self._process.returncode
        if code:
            lines = message.decode(errors="replace").strip().splitlines()
            ended = f"ffmpeg was ended by signal {-code}" if code < 0 else "ffmpeg failed"
            raise VisusError(lines[0] if lines else ended)

    def _move_index(self) -> None:
        """Copy fragments into an ordinary MP4, its index first: browsers play while it downloads.

        Where there is no space for a copy, the fragments stay, which play as well.
        """
        copy = self._path.with_name(f".{self._path.stem[:32]}.{uuid4().hex[:12]}.copy.mp4")
        command = ["ffmpeg", "-v", "error", "-y", "-i", f"file:{self._path}", "-c", "copy"]
        command += ["-movflags", "+faststart", f"file:{copy}"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True
        )
        if done.returncode == 0:
            os.replace(copy, self._path)
        else:
            copy.unlink(missing_ok=True)
