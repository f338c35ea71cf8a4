"""Sinks: annotated videos and images in files."""

import time
from collections.abc import Iterable
from pathlib import Path

from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.encoders import SUFFIXES, Encoder, open_encoder
from visus.vision.drawing.grid import to_bgr
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.output_files import OutputNames, write_image
from visus.vision.resize import resize_to_input
from visus.vision.wording import counted

_DEFAULT_RATE = 25.0
_MAX_RATE = 240.0


def check_suffix(path: Path) -> None:
    """Refuse the name of another kind of file.

    Raises:
        VisusError: If the suffix is not that of a video.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise VisusError(f"--video {path}: the file's suffix must be {' or '.join(SUFFIXES)}")


class VideoSink(Sink):
    """A video file at a constant rate in which every frame is shown at its time.

    A frame is repeated until the next one, and the last one until the end of its source. A frame
    that comes up to two intervals early, as from a camera, follows the one before; others that are
    closer together than the rate allows are left out and counted.

    Args:
        path: Where to write; the suffix sets the codec, see `visus.apps.live.sinks.encoders`.
        rate: Frames/s; 0 for 25, which replaces more than 240 too, as some cameras declare.
        start: When the video begins, in seconds of its source; None for the first frame's time.

    Raises:
        VisusError: If the suffix is of another kind of file.
    """

    def __init__(self, path: Path, rate: float, start: float | None = 0.0) -> None:
        check_suffix(path)
        self.path = path
        self.rate = rate if 0 < rate <= _MAX_RATE else _DEFAULT_RATE
        self.start = start
        self._encoder: Encoder | None = None
        self._size = (0, 0)
        self._latest: Pixels | None = None
        self._end = 0.0
        self._written = self._repeated = self._left_out = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; later frames of another size are resized to that of the first.

        Raises:
            VisusError: If the video cannot be written.
        """
        if self._encoder is None:
            if frame.note:
                # It holds no image yet, whose size sets that of the video.
                return True
            if self.start is None:
                self.start = frame.time or 0.0
            height, width = drawn.shape[:2]
            self._size = (_encodable(width), _encodable(height))
            self._encoder = open_encoder(self.path, self.rate, self._size)
        pixels = to_bgr(drawn)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = to_bgr(resize_to_input(drawn, self._size[::-1], "letterbox")[0])
        assert self.start is not None
        moment = self._written / self.rate if frame.time is None else frame.time - self.start
        if frame.note:
            # A frame of an interrupted camera repeats the time of the last one.
            moment += time.perf_counter() - frame.captured
        self._end = moment + (frame.duration or 0.0)
        place = round(moment * self.rate)
        self._repeat_until(place, pixels if self._latest is None else self._latest)
        if self._written <= place + 1:
            self._encoder.write(pixels)
            self._written += 1
        elif not frame.note:
            self._left_out += 1
        self._latest = pixels
        return True

    def written(self) -> str:
        """See `Sink.written`."""
        if not self._written:
            return ""
        notes = []
        if self._repeated:
            notes.append(f"{self._repeated} of them repeated")
        if self._left_out:
            notes.append(f"{self._left_out} of the source left out")
        times = f" ({self.rate:g} a second, {', '.join(notes)})" if notes else ""
        return f"{self.path}: {counted(self._written, 'frame')}{times}"

    def close(self) -> None:
        """See `Sink.close`.

        Raises:
            VisusError: If the video cannot be written.
        """
        if self._encoder is None:
            return
        try:
            if self._latest is not None:
                self._repeat_until(round(self._end * self.rate), self._latest)
        finally:
            self._encoder.close()

    def _repeat_until(self, place: int, pixels: Pixels) -> None:
        assert self._encoder is not None
        while self._written < place:
            self._encoder.write(pixels)
            self._written += 1
            self._repeated += 1


def _encodable(side: int) -> int:
    """The nearest side in pixels that every encoder and player supports."""
    return max(16, side - side % 2)


class ImageSink(Sink):
    """Annotated images in a folder; the frames of a video become one annotated video there.

    Args:
        folder: Where to write.
        rate: Frames/s of the video.
        inputs: Files that are read, and not overwritten.
    """

    def __init__(self, folder: Path, rate: float, inputs: Iterable[Path] = ()) -> None:
        self.names = OutputNames(folder, inputs)
        self.rate = rate
        self._video: VideoSink | None = None
        self._images = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`."""
        if frame.index is not None:
            if self._video is None:
                self._video = VideoSink(self.names.name(frame.source, ".mp4"), self.rate)
            return self._video.show(frame, drawn)
        write_image(self.names.name(frame.source, ".jpg"), drawn)
        self._images += 1
        return True

    def written(self) -> str:
        """See `Sink.written`."""
        if self._video is not None:
            return self._video.written()
        return f"{self.names.folder}: {counted(self._images, 'image')}" if self._images else ""

    def close(self) -> None:
        """See `Sink.close`."""
        if self._video is not None:
            self._video.close()
