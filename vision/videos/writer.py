"""Write video files."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import cv2

from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.output_files import replacing

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


def write_video(path: Path, frames: Iterable[Pixels], rate: float) -> None:
    """Write a video.

    Args:
        path: The file, `.mp4` (MPEG-4) or `.avi` (Motion JPEG); its folder is created.
        frames: At least one, uint8 RGB of equal shapes (height, width, 3) with even sides.
        rate: Frames/s.

    Raises:
        VisusError: If it cannot be written.
    """
    frames = iter(frames)
    first = next(frames)
    size = (first.shape[1], first.shape[0])
    codec = cv2.VideoWriter.fourcc(*_CODECS[path.suffix])
    with replacing(path) as part:
        writer = cv2.VideoWriter(str(part), codec, rate, size)
        if not writer.isOpened():
            raise VisusError(f"{path}: cannot be written as a video; check its folder and the disk")
        for frame in chain([first], frames):
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
