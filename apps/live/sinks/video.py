"""Sinks: annotated videos and images in files."""

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


class VideoSink(Sink):
    """A video file.

    Args:
        path: Where to write; the suffix sets the codec, see `visus.apps.live.sinks.encoders`.
        rate: Frames/s.
        start: The time of the first frame, in seconds of its source.
    """

    def __init__(self, path: Path, rate: float, start: float = 0.0) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise VisusError(f"--video {path}: the file's suffix must be {' or '.join(SUFFIXES)}")
        self.path = path
        self.rate = rate or 25.0
        self.start = start
        self._encoder: Encoder | None = None
        self._size = (0, 0)
        self._written = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; later frames of another size are resized to that of the first."""
        if self._encoder is None:
            height, width = drawn.shape[:2]
            self._size = (_encodable(width), _encodable(height))
            self._encoder = open_encoder(self.path, self.rate, self._size)
        pixels = to_bgr(drawn)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = to_bgr(resize_to_input(drawn, self._size[::-1], "letterbox")[0])
        # Dropped frames of a camera are replaced by copies of the next one.
        moment = self._written / self.rate if frame.time is None else frame.time - self.start
        while self._written <= moment * self.rate + 1e-6:
            self._encoder.write(pixels)
            self._written += 1
        return True

    def written(self) -> str:
        """See `Sink.written`."""
        return f"{self.path}: {counted(self._written, 'frame')}" if self._written else ""

    def close(self) -> None:
        """See `Sink.close`."""
        if self._encoder is not None:
            self._encoder.close()


def _encodable(side: int) -> int:
    """The nearest side in pixels that every encoder and player supports."""
    return max(16, side - side % 2)


class ImageSink(Sink):
    """Annotated images in a folder; the frames of a video become one annotated video there.

    Args:
        folder: Where to write.
        rate: Frames/s of the video.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        self.names = OutputNames(folder)
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
