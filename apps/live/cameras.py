"""Cameras of a loop: sources with their model and outputs, whose frames are taken in turn."""

import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from visus.apps.live.sinks.base import Sink
from visus.apps.live.sources.base import Source
from visus.apps.live.times import LoopTimes
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.prediction import Prediction
from visus.vision.printable import printable

_POLL_SECONDS = 0.2
"""How often the loop notices that all cameras have ended."""

_CLOSING_SECONDS = 1.0
"""How long the end of the loop waits for the cameras."""


@dataclass(eq=False)
class Camera:
    """A source of frames with its model and its outputs.

    Attributes:
        source: The source of the frames.
        model: The model; one network may serve several cameras, each with options and state of its
            own, see `visus.vision.model_wrapper.detached`.
        sinks: Receive the drawn frames.
        watchers: Called with each frame and its prediction.
        conceal: Returns a copy of an image in which regions of its prediction are unrecognisable;
            nothing else of the frame is drawn, stored or shown.
        name: The `source` of its frames; by default the name of the file or the camera.
        times: The times of its frames.
    """

    source: Source
    model: Model
    sinks: list[Sink] = field(default_factory=list)
    watchers: list[Callable[[Frame, Prediction], None]] = field(default_factory=list)
    conceal: Callable[[Pixels, Prediction], Pixels] | None = None
    name: str = ""
    times: LoopTimes = field(init=False)

    def __post_init__(self) -> None:
        """Start the times."""
        self.times = LoopTimes(self.source)

    def frames(self) -> Generator[Frame, None, None]:
        """The frames of the source, under the camera's name."""
        try:
            with closing(self.source.frames()) as frames:
                for frame in frames:
                    self.times.state = frame.note or "live"
                    yield replace(frame, source=self.name) if self.name else frame
        finally:
            self.times.state = "ended"


def in_turn(cameras: Sequence[Camera]) -> Generator[tuple[Camera, Frame], None, None]:
    """The newest frames of several cameras, one camera after the other.

    A thread for each camera keeps its newest frame; earlier ones that were not taken are dropped.
    A camera without a new frame is passed over, so that none waits for another; one whose thread
    fails has ended, with a problem. Ends with the last camera.

    Args:
        cameras: Their sources are live: frames come at their own speed.
    """
    arrived = threading.Condition()
    newest: dict[int, Frame] = {}
    running = set(range(len(cameras)))
    closed = threading.Event()

    def read(number: int) -> None:
        camera = cameras[number]
        try:
            with closing(camera.frames()) as frames:
                for frame in frames:
                    if closed.is_set():
                        return
                    with arrived:
                        camera.times.skipped += number in newest
                        newest[number] = frame
                        arrived.notify()
        except Exception as error:
            reason = str(error) or type(error).__name__
            camera.source.problems.append(f"{camera.name}: {reason}")
            print(printable(f"visus: {camera.name}: {reason}"), file=sys.stderr)
        finally:
            with arrived:
                running.discard(number)
                arrived.notify()

    threads = [
        threading.Thread(target=read, args=(i,), name="camera", daemon=True)
        for i in range(len(cameras))
    ]
    for thread in threads:
        thread.start()
    last = 0
    try:
        while True:
            with arrived:
                arrived.wait_for(lambda: newest or not running, _POLL_SECONDS)
                if not newest and not running:
                    return
                if not newest:
                    continue
                last = min(newest, key=lambda number: (number - last - 1) % len(cameras))
                frame = newest.pop(last)
            yield cameras[last], frame
    finally:
        closed.set()
        # A camera that is being opened, or sends no frames, does not respond.
        end = time.perf_counter() + _CLOSING_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.perf_counter()))
