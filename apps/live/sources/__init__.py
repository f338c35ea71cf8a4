"""Sources of frames, opened by SOURCE of the command line."""

import glob
import math
import sys
from pathlib import Path

from visus.apps.addresses import SCHEMES, is_stream
from visus.apps.live.sources.base import SampledSource, Source
from visus.apps.live.sources.files import ImageSource, VideoSource
from visus.apps.live.sources.raw import RawSource, parse_size
from visus.apps.windows_paths import refuse_windows_path
from visus.vision.csv_files import read_csv
from visus.vision.errors import VisusError
from visus.vision.image_files import ARRAY_EXTENSION, EXTENSIONS, list_files, list_images
from visus.vision.videos.recognition import is_video

__all__ = ["SampledSource", "Source", "open_source"]


def open_source(source: str, size: str | None = None, rate: float | None = None) -> Source:
    """Open SOURCE of the command line.

    Args:
        source: An image, a folder, a glob, a video, a camera's number, the address of a stream, or
            `-` for raw frames on standard input.
        size: Size of raw frames, such as `640x480`.
        rate: Rate of raw frames, in frames/s.

    Raises:
        VisusError: If it cannot be opened.
    """
    from visus.apps.live.sources.streams import open_camera, open_stream

    if (size is not None) != (source == "-"):
        raise VisusError(
            "source - needs --size WIDTHxHEIGHT of its raw frames; no other source does"
        )
    if rate is not None and (source != "-" or not 0 < rate < math.inf):
        raise VisusError(f"--rate {rate:g}: is the frame rate of the raw frames of source -")
    if size is not None:
        return RawSource(sys.stdin.buffer, parse_size(size), rate or 0.0)
    if source.isdecimal():
        return open_camera(int(source))
    if is_stream(source):
        return open_stream(source)
    if "://" in source:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise VisusError(f"source {source!r}: visus reads addresses of the schemes {known}")
    if not source:
        raise VisusError("the source is empty; name a file, a folder or a camera's number")
    path = Path(source)
    if path.is_dir():
        paths = list_images(path, arrays=True)
        if not paths:
            raise VisusError(f"source {source!r}: the folder holds no image{_videos(path)}")
        return ImageSource(paths)
    if not path.exists() and glob.has_magic(source):
        paths = [Path(name) for name in sorted(glob.glob(source, recursive=True))]
        paths = [path for path in paths if path.suffix.lower() in {*EXTENSIONS, ARRAY_EXTENSION}]
        if not paths:
            refuse_windows_path(source, "source")
            raise VisusError(f"source {source!r}: matches no image; give videos one by one")
        return ImageSource(paths)
    if not path.is_file():
        refuse_windows_path(source, "source")
        raise VisusError(
            f"source {source!r}: there is no such file; "
            "give an image, a folder, a glob, a video, a camera's number or a stream's address"
        )
    if is_video(path):
        return VideoSource(path)
    if path.suffix.lower() == ".csv":
        listed = read_csv(path, {"path"})
        if listed.problems:
            raise VisusError(": ".join(listed.problems[0]))
        if not listed.rows:
            raise VisusError(f"source {source!r}: the file lists no image")
        return ImageSource([path.parent / row["path"] for _, row in listed.rows])
    return ImageSource([path])


def _videos(folder: Path) -> str:
    """How to predict the videos of a folder without images; empty if it holds none."""
    videos = [path for path in list_files(folder).others if is_video(Path(path))]
    return f", but videos; give them one by one, such as {videos[0]}" if videos else ""
