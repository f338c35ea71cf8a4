"""Where frames go: a window, a video file, picture files, JSON Lines."""

import json
import os
import socket
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from apps.drawing import to_bgr, write_image
from apps.live.sources import Frame
from vision.errors import VisusError
from vision.images import Pixels


class OutputNames:
    """Names files in a folder after their sources: no two alike, and never a source itself.

    Args:
        folder: Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def name(self, source: str, ending: str) -> Path:
        """A file for a source, with an ending such as `.jpg`.

        Raises:
            VisusError: If that is the source itself, or a file beside it.
        """
        stem, attempt = Path(source).stem, 1
        name = stem
        while name + ending in self._taken:
            attempt += 1
            name = f"{stem}-{attempt}"
        self._taken.add(name + ending)
        path = self.folder / (name + ending)
        refuse_overwriting(path, source)
        beside = Path(source).exists() and self.folder.exists()
        if beside and path.exists() and self.folder.samefile(Path(source).parent):
            raise VisusError(f"{path}: lies beside the source and exists; write elsewhere")
        return path


def refuse_overwriting(path: Path, source: str) -> None:
    """Stop before a result is written over the file it is made from.

    Raises:
        VisusError: If both are the same file.
    """
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise VisusError(f"{path}: would be overwritten, it is the source; write elsewhere")


class Sink(ABC):
    """Takes frames that are drawn on."""

    @abstractmethod
    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """Take one; returns False when the user wants to stop."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun."""


class WindowSink(Sink):
    """A window on the screen; `q` or Escape, or closing it, stops.

    Raises:
        VisusError: If there is no screen, or OpenCV has no window support.
    """

    def __init__(self, title: str) -> None:
        reason = why_no_window()
        if reason:
            raise VisusError(f"no window: {reason}; use --video FILE instead")
        self.title = title
        self._shown = False
        # Qt complains about fonts that the window does not use.
        os.environ.setdefault("QT_LOGGING_RULES", "*=false")

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; a picture stays until a key is pressed."""
        if not self._shown:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self.title, flags)
            cv2.resizeWindow(self.title, drawn.shape[1], drawn.shape[0])
        cv2.imshow(self.title, to_bgr(drawn))
        still = frame.index is None
        key = cv2.waitKey(0 if still else 1) & 0xFF
        closed = self._shown and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        self._shown = True
        return key not in (ord("q"), 27) and not closed

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()


class VideoSink(Sink):
    """An MP4 file (MPEG-4 Part 2).

    Args:
        path: Where to write; the ending must be `.mp4`.
        rate: Frames a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        if path.suffix.lower() != ".mp4":
            raise VisusError(f"--video {path}: the file's ending must be .mp4")
        self.path = path
        self.rate = rate or 25.0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; later frames of another size are brought to that of the first."""
        if self._writer is None:
            refuse_overwriting(self.path, frame.source)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            height, width = drawn.shape[:2]
            self._size = (width - width % 2, height - height % 2)
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, self._size)
            if not self._writer.isOpened():
                raise VisusError(f"--video {self.path}: cannot be written; check folder and disk")
        pixels = to_bgr(drawn)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = to_bgr(_resized(drawn, self._size))
        # A camera's frames that nobody had time for are stood in for by the one that follows.
        moment = frame.time if frame.time is not None else self._written / self.rate
        while self._written <= moment * self.rate + 1e-6:
            self._writer.write(pixels)
            self._written += 1
        return True

    def close(self) -> None:
        """Write the file's end, without which no player opens it."""
        if self._writer is not None:
            self._writer.release()


def _resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class PictureSink(Sink):
    """Annotated pictures in a folder; the frames of a video become one annotated video there."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.names = OutputNames(folder)
        self.rate = rate
        self._video: VideoSink | None = None

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`."""
        if frame.index is not None:
            if self._video is None:
                self._video = VideoSink(self.names.name(frame.source, ".mp4"), self.rate)
            return self._video.show(frame, drawn)
        write_image(self.names.name(frame.source, ".jpg"), drawn)
        return True

    def close(self) -> None:
        """See `Sink.close`."""
        if self._video is not None:
            self._video.close()


class JsonLinesWriter:
    """Writes one JSON object a line; each line is whole on the disk before the next begins.

    Args:
        target: A file, or `-` for the standard output.
    """

    def __init__(self, target: str) -> None:
        self._file: IO[str] = sys.stdout
        if target != "-":
            try:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                self._file = open(target, "w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise VisusError(
                    f"--jsonl {target}: cannot be written ({error.strerror})"
                ) from None

    def write(self, entry: dict[str, Any]) -> None:
        """Append one object."""
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; the standard output stays open."""
        if self._file is not sys.stdout:
            self._file.close()


def why_no_window() -> str:
    """Why no window can be shown, or an empty string where one can.

    OpenCV ends the whole process when its window system is not there, so this asks beforehand.
    """
    if not window_backend():
        return (
            "this OpenCV has no window support, as opencv-python-headless overwrote it "
            "(visus doctor tells how to mend it)"
        )
    if sys.platform != "linux":
        return ""
    # OpenCV's wheels speak X11 only; under Wayland XWayland answers for DISPLAY.
    if _display_answers(os.environ.get("DISPLAY", "")):
        return ""
    return "there is no screen (DISPLAY names none that answers)"


def window_backend() -> str:
    """The window system OpenCV was built with; empty for the headless build."""
    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().partition(":")
        if name == "GUI":
            return "" if value.strip() in {"NONE", ""} else value.strip()
    return ""


def _display_answers(display: str) -> bool:
    host, _, number = display.partition(":")
    screen = number.partition(".")[0]
    if not screen.isdecimal():
        return False
    family: int = socket.AF_INET if host else socket.AF_UNIX
    address: Any = (host, 6000 + int(screen)) if host else f"/tmp/.X11-unix/X{screen}"
    with socket.socket(family) as connection:
        connection.settimeout(2)
        try:
            connection.connect(address)
        except OSError:
            return False
    return True
