"""Where frames go: a video file, picture files, JSON Lines."""

import json
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

from visus.apps.drawing_tmp import to_bgr, write_image
from visus.apps.live.sinks.encoders import ENDINGS, Encoder, open_encoder
from visus.apps.live.sources.files_tmp import Frame
from visus.apps.outputs import refuse_overwriting
from visus.vision.errors import VisusError
from visus.vision.resize import fit
from visus.vision.images import Pixels


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


class Sink(ABC):
    """Takes frames that are drawn on."""

    @abstractmethod
    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """Take one; returns False when the user wants to stop."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun."""


class VideoSink(Sink):
    """A video file.

    Args:
        path: Where to write; the ending chooses the codec, see `apps.live.encoders`.
        rate: Frames a second.
        begin: The time of the first frame, in seconds of its source.
    """

    def __init__(self, path: Path, rate: float, begin: float = 0.0) -> None:
        if path.suffix.lower() not in ENDINGS:
            raise VisusError(f"--video {path}: the file's ending must be {' or '.join(ENDINGS)}")
        self.path = path
        self.rate = rate or 25.0
        self.begin = begin
        self._encoder: Encoder | None = None
        self._size = (0, 0)
        self._written = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; later frames of another size are fitted into that of the first."""
        if self._encoder is None:
            height, width = drawn.shape[:2]
            self._size = (_encodable(width), _encodable(height))
            self._encoder = open_encoder(self.path, self.rate, self._size)
        pixels = to_bgr(drawn)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = to_bgr(fit(drawn, self._size[::-1], "letterbox")[0])
        # A camera's frames that nobody had time for are stood in for by the one that follows.
        moment = self._written / self.rate if frame.time is None else frame.time - self.begin
        while self._written <= moment * self.rate + 1e-6:
            self._encoder.write(pixels)
            self._written += 1
        return True

    def close(self) -> None:
        """See `Sink.close`."""
        if self._encoder is not None:
            self._encoder.close()


def _encodable(side: int) -> int:
    """The nearest side, in pixels, that every encoder takes and every player shows."""
    return max(16, side - side % 2)


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
