"""Sources: image files and video files."""

import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from visus.apps.live.parallel import parallel_map
from visus.apps.live.prefetch import prefetch
from visus.apps.live.sources.base import Source
from visus.vision.cores import usable_cores
from visus.vision.frames import Frame
from visus.vision.images import DecodedImage, ImageError, Pixels, decode_image
from visus.vision.printable import printable
from visus.vision.videos.reader import VideoReader


class ImageSource(Source):
    """Image files; one that cannot be read becomes a problem.

    Several files are decoded in parallel, ahead of their use. Lossy conversions, such as of 16 bits
    to 8, are noted on standard error, once for each file.
    """

    still = True

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths)
        self.stored = len(paths) > 1
        self.total = len(paths)

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        noted: set[Path] = set()
        threads = usable_cores() if self.stored else 1
        with closing(parallel_map(_decode, iter(self.files), threads, _size_of)) as images:
            for path, image in zip(self.files, images, strict=True):
                if isinstance(image, ImageError):
                    self.problems.append(str(image))
                    continue
                if image.info.notes and path not in noted:
                    noted.add(path)
                    notes = f"visus: {path}: {'; '.join(image.info.notes)}"
                    print(printable(notes), file=sys.stderr)
                yield Frame(image.pixels, str(path), None, None, time.perf_counter())


def _decode(path: Path) -> DecodedImage | ImageError:
    """The image of a file, or why it cannot be read."""
    try:
        return decode_image(path)
    except ImageError as error:
        return error


def _size_of(image: DecodedImage | ImageError) -> int:
    """Bytes of a decoded image."""
    return 0 if isinstance(image, ImageError) else image.pixels.nbytes


class VideoSource(Source):
    """A video file, every frame; see `visus.vision.videos.reader.VideoReader`.

    Attributes:
        declared: Number of frames, as the container declares or estimates it; 0 where it does not.

    Raises:
        VisusError: If it cannot be opened.
    """

    stored = True

    def __init__(self, path: Path) -> None:
        super().__init__([path])
        self.path = path
        self._reader = VideoReader(path)
        self.declared = self._reader.declared
        self.total = self.declared or None
        self.seconds = self._reader.seconds
        self.rate = self._reader.rate

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`; frames that could not be read become a problem."""
        held: tuple[Pixels, int, float] | None = None
        for index, (image, moment) in enumerate(prefetch(self._reader.frames())):
            if held is not None:
                yield self._frame(*held)
            held = image, index, moment
        count = held[1] + 1 if held is not None else 0
        missing = self._reader.missing_frames(count)
        if missing:
            self.problems.append(f"{self.path}: {missing}")
        if held is not None:
            yield self._frame(*held, self._reader.last_duration(count, held[2], not missing))

    def _frame(
        self, image: Pixels, index: int, moment: float, duration: float | None = None
    ) -> Frame:
        return Frame(image, str(self.path), index, moment, time.perf_counter(), duration=duration)
