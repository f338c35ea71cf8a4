"""Recorder of one camera: clips that begin before the event, written without holding the loop."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visus.apps.live.events.ring import FrameRing, StoredFrame
from visus.apps.live.sinks.video import VideoSink
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels

RING_BYTES = 64_000_000
"""Most bytes of JPEGs that a camera's ring holds; beyond, clips begin later."""

_PENDING_BYTES = 64_000_000
"""Most bytes of JPEGs that wait to be written to clips; beyond, clips lack frames."""

_RAW_FRAMES = 8
"""Most frames that wait to be compressed; beyond, clips lack frames."""


@dataclass(eq=False)
class Clip:
    """A clip to be recorded.

    Attributes:
        path: The file.
        end: Time of its last frame, in seconds of the source.
        started: Called before its first frame is written.
        finished: Called with the number of frames, the seconds from its first to its last, and the
            reason why it is incomplete, if it is.
        rate: Frames/s of the file; set by the recorder.
    """

    path: Path
    end: float
    started: Callable[[], None]
    finished: Callable[[int, float, str], None]
    rate: float = 25.0


class Recorder:
    """Keeps the latest frames of a camera, and writes clips from them.

    One thread compresses the frames, a second one writes clips, so that neither the encoder nor the
    disk holds the loop. On a live source frames are dropped where the threads are too slow.

    Args:
        seconds: How long before an event its clip begins.
        rate: Frames/s of clips with a single frame; 0 where it is unknown.
        live: Whether frames may be dropped.
    """

    def __init__(self, seconds: float, rate: float, live: bool) -> None:
        self._ring = FrameRing(seconds, RING_BYTES)
        self._rate = rate
        self._live = live
        self._raw: queue.Queue[tuple[float, Pixels] | Clip | None] = queue.Queue()
        self._room = threading.Semaphore(_RAW_FRAMES)
        self._clips: list[Clip] = []
        self._jobs: queue.Queue[tuple[Clip, StoredFrame | None]] = queue.Queue()
        self._pending = 0
        self._written = threading.Condition()
        self._compressing = threading.Thread(target=self._compress, name="evidence", daemon=True)
        self._writing = threading.Thread(target=self._write, name="clips", daemon=True)
        self._compressing.start()
        self._writing.start()

    def add(self, time: float, image: Pixels) -> None:
        """Add a frame; a live source never waits.

        Args:
            time: Time of the frame in seconds.
            image: uint8 RGB; not changed later.
        """
        if self._room.acquire(blocking=not self._live):
            self._raw.put((time, image))

    def begin(self, clip: Clip) -> None:
        """Begin a clip with the frames of the last seconds."""
        self._raw.put(clip)

    def interrupt(self) -> None:
        """Finish the clips that have begun, as no frames arrive."""
        self._raw.put(_INTERRUPTION)

    def close(self) -> None:
        """Finish all clips."""
        self._raw.put(None)
        self._compressing.join()
        self._writing.join()

    def _compress(self) -> None:
        while (job := self._raw.get()) is not None:
            if job is _INTERRUPTION:
                self._finish_all()
                continue
            if isinstance(job, Clip):
                self._clips.append(job)
                job.rate = _typical_rate(self._ring.frames()) or self._rate or 25.0
                for frame in self._ring.frames():
                    self._enqueue(job, frame)
                continue
            frame = StoredFrame.encode(*job)
            self._room.release()
            self._ring.append(frame)
            for clip in tuple(self._clips):
                if frame.time <= clip.end:
                    self._enqueue(clip, frame)
                if frame.time >= clip.end:
                    self._clips.remove(clip)
                    self._jobs.put((clip, None))
        self._finish_all()
        self._jobs.put((_LAST, None))

    def _finish_all(self) -> None:
        for clip in self._clips:
            self._jobs.put((clip, None))
        self._clips.clear()

    def _enqueue(self, clip: Clip, frame: StoredFrame) -> None:
        with self._written:
            self._written.wait_for(lambda: self._pending <= _PENDING_BYTES)
            self._pending += len(frame.jpeg)
        self._jobs.put((clip, frame))

    def _write(self) -> None:
        open_clips: dict[Clip, _OpenClip] = {}
        while True:
            clip, frame = self._jobs.get()
            if clip is _LAST:
                return
            if clip not in open_clips:
                clip.started()
                open_clips[clip] = _OpenClip(clip)
            if frame is None:
                open_clips.pop(clip).close()
                continue
            open_clips[clip].write(frame)
            with self._written:
                self._pending -= len(frame.jpeg)
                self._written.notify()


_INTERRUPTION = Clip(Path(), 0.0, lambda: None, lambda *_: None)
_LAST = Clip(Path(), 0.0, lambda: None, lambda *_: None)


class _OpenClip:
    """A clip that is being written; after an error its further frames are ignored."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._sink: VideoSink | None = None
        self._start = 0.0
        self._frames = 0
        self._seconds = 0.0
        self._problem = ""

    def write(self, frame: StoredFrame) -> None:
        """Append a frame."""
        if self._problem:
            return
        image = frame.decode()
        try:
            if self._sink is None:
                self._start = frame.time
                self._sink = VideoSink(self._clip.path, self._clip.rate, frame.time)
            self._sink.show(
                Frame(image, self._clip.path.name, self._frames, frame.time, 0.0), image
            )
        except VisusError as error:
            self._problem = str(error)
            return
        self._frames += 1
        self._seconds = frame.time - self._start

    def close(self) -> None:
        """Finish the file and report it."""
        try:
            if self._sink is not None:
                self._sink.close()
        except VisusError as error:
            # The first error is the one that is reported.
            self._problem = self._problem or str(error)
        self._clip.finished(self._frames, self._seconds, self._problem)


def _typical_rate(frames: Sequence[StoredFrame]) -> float:
    """Frames/s of most frames, 1 to 60; 0 for fewer than two."""
    intervals = np.diff([frame.time for frame in frames])
    return float(np.clip(1 / max(np.median(intervals), 1e-3), 1, 60)) if len(intervals) else 0.0
