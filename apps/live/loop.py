"""The loop: take the frames of a source, predict, draw, and pass them to sinks."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import cv2

from visus.apps.drawing import draw_prediction
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sources.base import Source
from visus.apps.live.stopping import until_stopped
from visus.apps.live.times import LoopTimes
from visus.vision.drawing.panels import draw_note
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import visible
from visus.vision.model import Model
from visus.vision.output_files import open_private, unwritable
from visus.vision.prediction import Prediction
from visus.vision.progress import track
from visus.vision.wording import counted

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class LoopResult:
    """The result of a loop.

    Attributes:
        frames: Number of frames that were predicted.
        problems: One message for each input that could not be read.
        seconds: Duration of the loop.
        written: What was written where, such as `out.mp4: 20 frames`.
    """

    frames: int
    problems: list[str]
    seconds: float
    written: list[str]


class JsonLinesWriter:
    """Writes one JSON object per line, and flushes each line.

    Args:
        target: A file, or `-` for standard output.
        private: Whether only the user may read the file.
    """

    def __init__(self, target: str, private: bool = False) -> None:
        self._target = "standard output" if target == "-" else f"--jsonl {target}"
        self._file: IO[str] = sys.stdout
        self._lines = 0
        if target != "-":
            with self._as_user_error():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                open_file = open_private if private else None
                self._file = open(
                    target, "w", encoding="utf-8", errors="backslashreplace", opener=open_file
                )

    def write(self, entry: dict[str, Any]) -> None:
        """Append one object.

        Raises:
            VisusError: If it cannot be written.
        """
        with self._as_user_error():
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()
        self._lines += 1

    def written(self) -> str:
        """See `Sink.written`; empty for standard output."""
        shown = self._target.removeprefix("--jsonl ")
        return "" if self._file is sys.stdout else f"{shown}: {counted(self._lines, 'line')}"

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._file is not sys.stdout:
            # What could not be written was reported by `write`.
            with suppress(OSError):
                self._file.close()

    @contextmanager
    def _as_user_error(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable(self._target, error) from None


def run_loop(
    model: Model,
    source: Source,
    sinks: Sequence[Sink],
    jsonl: JsonLinesWriter | None = None,
    watchers: Sequence[Callable[[Frame, Prediction], None]] = (),
    times: LoopTimes | None = None,
    detailed: bool = False,
    progress: bool = False,
) -> LoopResult:
    """Predict every frame until the source ends, a sink stops it, or Ctrl+C or SIGTERM is received.

    Args:
        model: The model.
        source: The source of the frames.
        sinks: Receive the drawn frames; closed at the end, also after an error.
        jsonl: Receives one JSON object per frame; closed at the end.
        watchers: Called with each frame and its prediction.
        times: Records the times of each frame.
        detailed: Whether to draw details too.
        progress: Whether to show a progress bar on a terminal, if the source has an end.
    """
    count = 0
    started = time.perf_counter()
    with ExitStack() as at_the_end:
        # A sink that fails to close does not prevent the others from closing.
        for sink in sinks:
            at_the_end.callback(sink.close)
        if jsonl is not None:
            at_the_end.callback(jsonl.close)
        frames = at_the_end.enter_context(closing(source.frames()))
        if progress and source.total is not None and source.total > 1:
            tracked = track(frames, "Predicting", source.total)
            frames = at_the_end.enter_context(closing(tracked))
        at_the_end.enter_context(until_stopped())
        if model.workers > 1:
            # The workers use all cores already.
            at_the_end.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(1)
        for result in parallel_map(partial(_predict, model), frames, model.workers):
            frame = result.frame
            if result.prediction is None:
                if result.problem:
                    source.problems.append(f"{frame.source}: {result.problem}")
                    continue
                drawn = draw_note(visible(frame.image), frame.note)
                if not all([sink.show(frame, drawn) for sink in sinks]):
                    break
                continue
            prediction = model.apply_state(result.prediction)
            count += 1
            if jsonl is not None:
                jsonl.write(to_entry(frame, prediction))
            for watch in watchers:
                watch(frame, prediction)
            start = time.perf_counter()
            drawn = visible(frame.image)
            if sinks:
                drawn = draw_prediction(drawn, prediction, detailed)
            finished = time.perf_counter()
            continues = all([sink.show(frame, drawn) for sink in sinks])
            shown = time.perf_counter()
            if times is not None:
                stages = result.seconds, finished - start, shown - finished
                times.add(shown, shown - frame.captured, *stages)
            if not continues:
                break
    seconds = time.perf_counter() - started
    written = [sink.written() for sink in sinks] + ([jsonl.written()] if jsonl is not None else [])
    return LoopResult(count, source.problems, seconds, [text for text in written if text])


class _Result(NamedTuple):
    """A frame with its prediction, or the reason for none; a repeated frame has neither."""

    frame: Frame
    prediction: Prediction | None
    problem: str
    seconds: float


def _predict(model: Model, frame: Frame) -> _Result:
    if frame.note:
        return _Result(frame, None, "", 0.0)
    start = time.perf_counter()
    try:
        prediction = model.predict(frame.image)
    except VisusError as error:
        return _Result(frame, None, str(error), 0.0)
    return _Result(frame, prediction, "", time.perf_counter() - start)


def parallel_map(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Iterator[Result]:
    """Apply a function to each item, several at once, and return the results in order.

    An error is raised here, in the item's position.

    Args:
        function: Releases Python's lock for most of its time, as networks do.
        items: Its arguments.
        workers: Number of threads; with 1 no thread is used, and no item is taken before the
            previous result was used.
    """
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # More than workers, which continue while a result is used, or waits for its turn.
                if len(pending) > workers + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def to_entry(frame: Frame, prediction: Prediction) -> dict[str, Any]:
    """The JSON Lines object of one frame."""
    return place_of(frame) | prediction.to_json()


def place_of(frame: Frame) -> dict[str, Any]:
    """The origin of a frame, as JSON Lines have it: source, position in a video, size."""
    height, width = frame.image.shape[:2]
    entry: dict[str, Any] = {"source": frame.source}
    if frame.index is not None and frame.time is not None:
        entry |= {"frame": frame.index, "time": round(frame.time, 3)}
    return entry | {"width": width, "height": height}
