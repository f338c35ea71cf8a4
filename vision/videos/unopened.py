"""Why a file cannot be opened as a video."""

import os
import re
from pathlib import Path

from visus.vision.videos.recognition import Container, container_of

_PART = 1 << 20
"""Bytes at the start and at the end of a file, where containers describe their streams."""

_STREAMS: dict[Container, tuple[bytes, bytes]] = {
    "mp4": (rb"hdlr.{8}vide", rb"hdlr.{8}soun"),
    "matroska": (rb"V_[A-Z]", rb"A_(AAC|AC3|DTS|EAC3|FLAC|MPEG|OPUS|PCM|VORBIS)"),
    "avi": (rb"strh.{4}vids", rb"strh.{4}auds"),
    "ogg": (rb"theora", rb"vorbis|OpusHead|fLaC|FLAC|Speex"),
    "asf": (
        re.escape(bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")),
        re.escape(bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")),
    ),
}
"""Patterns that announce a video stream and a sound stream."""

_SOUND = (rb"RIFF.{4}WAVE", rb"ID3", rb"fLaC", rb"\xff[\xe2-\xff]", rb"FORM.{4}AIF", rb"#!AMR")
"""Beginnings of files of sound."""


def why_unopened(path: Path) -> str:
    """Why a file cannot be opened as a video, and the remedy.

    Args:
        path: A path that OpenCV could not open.

    Returns:
        A message that does not name the file.
    """
    try:
        size = os.stat(path).st_size
        container = container_of(path)
        with path.open("rb") as file:
            start = file.read(_PART)
            file.seek(max(0, size - _PART))
            content = start + file.read()
    except OSError as error:
        return f"cannot be read ({error.strerror}); check the path and its permissions"
    if not size:
        return "is empty; record or fetch it again"
    if container is None:
        if any(re.match(pattern, start, re.DOTALL) for pattern in _SOUND):
            return "holds sound only, no video; give the video"
        head = start[:12].decode("ascii", "replace").replace("\n", " ")
        return f"is not a video in a known format (it starts with {head!r}); convert it to MP4"
    video, sound = (
        re.search(pattern, content, re.DOTALL) for pattern in _STREAMS.get(container, (b"", b""))
    )
    if sound and not video:
        return "holds sound only, no video; give the video"
    return "cannot be opened as a video; it is truncated or damaged, record or fetch it again"
