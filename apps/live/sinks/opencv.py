"""OpenCV's encoder, which writes an index at the end only: segments of half a second, joined."""

import queue
import threading
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2

from visus.apps.live.sinks.mp4_fragments import FragmentedMp4
from visus.apps.live.sinks.webm_clusters import WebmClusters
from visus.vision.errors import VisusError
from visus.vision.images import Pixels

_FORMATS: dict[str, tuple[str, str, type[FragmentedMp4] | type[WebmClusters]]] = {
    ".mp4": ("mp4v", ".mp4", FragmentedMp4),
    ".webm": ("VP80", ".mkv", WebmClusters),
}
"""Codec, container of the segments and what joins them, by suffix: OpenCV's VP9 encodes eight
frames/s, and its H.264 needs a device."""

SEGMENT_SECONDS = 0.5
"""OpenCV writes a key frame every 12 frames anyway, so that short segments need no more bytes."""

_WAITING_SECONDS = 0.25
"""Frames that may wait for the encoder; what waits is lost when the process is killed."""


class OpenCvEncoder:
    """Encodes in a thread: the loop waits only for an encoder that is slower than itself.

    Args:
        path: The file to write.
        rate: Frames/s.
        size: (width, height) in pixels.

    Raises:
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        # Its errors are found in the segments.
        cv2.utils.logging.setLogLevel(0)
        self._codec, self._suffix, join = _FORMATS[path.suffix.lower()]
        self._joined = join(path, rate, size)
        self._rate, self._size = rate, size
        self._error: OSError | VisusError | None = None
        self._queue: queue.Queue[Any] = queue.Queue(max(2, round(rate * _WAITING_SECONDS)))
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def write(self, pixels: Pixels) -> None:
        """Append a frame: uint8, BGR, of the size of the video.

        Raises:
            OSError: If the frames before it could not be written.
            VisusError: As `OSError`.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(pixels)

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: If it could not be written.
            VisusError: As `OSError`.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            self._joined.close()
            raise self._error
        self._joined.finish()

    def _run(self) -> None:
        frames = self._frames()
        length = max(1, round(self._rate * SEGMENT_SECONDS))
        try:
            with TemporaryDirectory(prefix="visus-") as folder:
                path = Path(folder) / f"segment{self._suffix}"
                for first in frames:
                    self._append_segment(path, chain([first], islice(frames, length - 1)))
        except (OSError, VisusError) as error:
            self._error = error
            # The loop may be waiting for a place in the queue.
            for _ in frames:
                pass

    def _frames(self) -> Iterator[Pixels]:
        while (pixels := self._queue.get()) is not None:
            yield pixels

    def _append_segment(self, path: Path, frames: Iterable[Pixels]) -> None:
        """Encode a segment, and append it to the file.

        Raises:
            OSError: If it could not be appended.
            VisusError: If it could not be encoded.
        """
        code = cv2.VideoWriter.fourcc(*self._codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, self._rate, self._size)
        if not writer.isOpened():
            raise VisusError(f"OpenCV cannot write to {path.parent}")
        count = 0
        for pixels in frames:
            writer.write(pixels)
            count += 1
        writer.release()
        # OpenCV ignores a full disk.
        if self._joined.add(path.read_bytes()) != count:
            raise VisusError(f"a segment is incomplete; check the disk of {path.parent}")
