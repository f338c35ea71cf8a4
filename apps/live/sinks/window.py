"""Sink: a window, its keys, and the reasons why none can be opened."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.video import VideoSink
from visus.vision.drawing.grid import to_bgr
from visus.vision.drawing.panels import draw_lines
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.output_files import write_image

HELP = (
    "q  quit",
    "space  pause, or the next image",
    "s  snapshot",
    "r  start or stop recording",
    "+ -  adjust the threshold",
    "h  this help",
)


class WindowSink(Sink):
    """A window; closing it stops the loop, as `q` and Escape do. See `HELP` for the keys.

    Snapshots and recordings are written to the current folder, as `visus-<time>.png` and `.mp4`;
    they contain the annotated frame without the figures.

    Args:
        title: Of the window.

    Attributes:
        figures: Returns the line to show at the top.
        live: Whether frames come from cameras: a pause holds the image in the window only, and not
            what else is done with the frames.
        adjust: See `visus.tasks.spec.Session`.

    Raises:
        VisusError: If there is no display, or OpenCV has no window support.
    """

    def __init__(self, title: str) -> None:
        reason = why_no_window()
        if reason:
            raise VisusError(f"no window: {reason}; use --video FILE, --serve PORT or --jsonl FILE")
        self.title = title
        self.figures: Callable[[], str] = str
        self.adjust: Callable[[int], str] | None = None
        self.live = False
        self._held: Pixels | None = None
        self._shown = False
        self._help = False
        self._message = ""
        self._recording: VideoSink | None = None
        # Qt complains about fonts that the window does not use.
        os.environ.setdefault("QT_LOGGING_RULES", "*=false")

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; a single image is shown until the space bar is pressed."""
        if not self._shown:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self.title, flags)
            cv2.resizeWindow(self.title, drawn.shape[1], drawn.shape[0])
        if self._recording is not None and not frame.note:
            self._record(self._recording, frame, drawn)
        waits = frame.index is None
        while True:
            drawn = drawn if self._held is None else self._held
            paused = self._held is not None or (waits and frame.index is not None)
            state = "paused" if paused else ""
            lines = [self.figures(), state, self._message, *(HELP if self._help else ())]
            cv2.imshow(self.title, to_bgr(draw_lines(drawn, [line for line in lines if line])))
            key = cv2.waitKey(50 if waits else 1) & 0xFF
            if self._shown and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
                return False
            self._shown = True
            if key in (ord("q"), 27):
                return False
            if key == ord(" ") and self.live:
                self._held = drawn if self._held is None else None
            elif key == ord(" "):
                waits = not waits
            elif key != 0xFF:
                self._handle_key(chr(key), frame, drawn)
            if not waits:
                return True

    def close(self) -> None:
        """Close the window, and finish a recording."""
        if self._recording is not None:
            self._recording.close()
        cv2.destroyAllWindows()

    def _record(self, recording: VideoSink, frame: Frame, drawn: Pixels) -> None:
        """Add a frame to the recording, which ends where that fails; the window stays."""
        try:
            recording.show(frame, drawn)
        except VisusError as error:
            self._recording = None
            self._message = str(error)

    def _handle_key(self, key: str, frame: Frame, drawn: Pixels) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        if key == "h":
            self._help = not self._help
        elif key == "s":
            path = _free_path(f"visus-{stamp}", ".png")
            try:
                write_image(path, drawn)
                self._message = f"snapshot {path}"
            except VisusError as error:
                self._message = str(error)
        elif key == "r" and self._recording is not None:
            recording, self._recording = self._recording, None
            self._message = f"recorded {recording.path}"
            try:
                recording.close()
            except VisusError as error:
                self._message = str(error)
        elif key == "r" and frame.time is not None:
            self._recording = VideoSink(_free_path(f"visus-{stamp}", ".mp4"), 25.0, frame.time)
            self._message = f"recording {self._recording.path}"
        elif key in "+-" and self.adjust is not None:
            self._message = self.adjust(1 if key == "+" else -1)


def _free_path(stem: str, suffix: str) -> Path:
    """A file that does not exist: a second has several frames, and a folder several windows."""
    path, number = Path(f"{stem}{suffix}"), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}{suffix}")
    return path


def why_no_window() -> str:
    """The reason why no window can be shown, or an empty string where one can.

    OpenCV aborts the process where its window system is missing, so this is checked beforehand.
    """
    if not window_backend():
        return (
            "this OpenCV has no window support, as opencv-python-headless overwrote it "
            "(visus doctor prints how to fix it)"
        )
    if sys.platform != "linux":
        return ""
    # OpenCV's wheels support X11 only; under Wayland XWayland serves DISPLAY.
    if _display_responds(os.environ.get("DISPLAY", "")):
        return ""
    return "there is no display (DISPLAY names none that responds)"


def window_backend() -> str:
    """The window system of this OpenCV; empty for the headless build."""
    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().partition(":")
        if name == "GUI":
            return "" if value.strip() in {"NONE", ""} else value.strip()
    return ""


def _display_responds(display: str) -> bool:
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
