"""Annotated videos and images in files."""

from pathlib import Path

from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.encoders import ENDINGS, Encoder, open_encoder
from visus.vision.drawing.grid import to_bgr
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.output_files import OutputNames, write_image
from visus.vision.resize import resize_to_input


class VideoSink(Sink):
    """A video file.

    Args:
        path: Where to write; the ending chooses the codec, see `visus.apps.live.sinks.encoders`.
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
            pixels = to_bgr(resize_to_input(drawn, self._size[::-1], "letterbox")[0])
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


class ImageSink(Sink):
    """Annotated images in a folder; the frames of a video become one annotated video there."""

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
