"""The loop: take the frames of cameras, predict, draw, and pass them to sinks."""

import json
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar

import cv2

from visus.apps.drawing import draw_prediction
from visus.apps.live.cameras import Camera, in_turn
from visus.apps.live.prediction import FrameResult, predict_batches, predict_frames
from visus.apps.live.sinks.base import Sink
from visus.apps.live.stopping import delayed_stop, until_stopped
from visus.vision.drawing.panels import draw_note
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels, visible
from visus.vision.output_files import open_private, unwritable
from visus.vision.printable import printable
from visus.vision.progress import track
from visus.vision.wording import counted

Output = TypeVar("Output")


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
    cameras: Sequence[Camera],
    jsonl: JsonLinesWriter | None = None,
    detailed: bool = False,
    progress: bool = False,
    batched: bool = False,
) -> LoopResult:
    """Predict every frame until the sources end, a sink stops it, or Ctrl+C or SIGTERM is received.

    A single source is predicted frame by frame, a stored one several frames at once; an output that
    fails stops the loop. Several cameras take turns, each with its newest frame; there an output
    that fails is reported and left out, and the others continue. What was predicted is written,
    also when the loop is stopped.

    Args:
        cameras: The sources with their models and outputs; sinks are closed at the end, also after
            an error. Several are live.
        jsonl: Receives one JSON object per frame; closed at the end.
        detailed: Whether to draw details too.
        progress: Whether to show a progress bar on a terminal, if a single source has an end.
        batched: Whether a stored source may be predicted in batches, whose frames reach the outputs
            together: not for outputs that a user watches.
    """
    started = time.perf_counter()
    with ExitStack() as at_the_end:
        outputs = _Outputs(cameras, jsonl, detailed)
        # A sink that fails to close does not prevent the others from closing.
        for camera in cameras:
            for sink in camera.sinks:
                at_the_end.callback(outputs.close, camera, sink)
        if jsonl is not None:
            at_the_end.callback(jsonl.close)
        frames = at_the_end.enter_context(closing(_frames(cameras, progress)))
        at_the_end.enter_context(until_stopped())
        for results in at_the_end.enter_context(closing(_predicted(cameras, frames, batched))):
            with delayed_stop() if len(results) > 1 else nullcontext():
                continues = all(outputs.write(result) for result in results)
            if not continues:
                break
    seconds = time.perf_counter() - started
    written = outputs.written()
    if jsonl is not None:
        written.append(jsonl.written())
    problems = [problem for camera in cameras for problem in camera.source.problems]
    return LoopResult(outputs.count, problems, seconds, [text for text in written if text])


def _predicted(
    cameras: Sequence[Camera], frames: Iterator[tuple[Camera, Frame]], batched: bool
) -> Generator[list[FrameResult], None, None]:
    """The results of frames that are predicted together."""
    camera = cameras[0]
    if batched and len(cameras) == 1 and camera.source.stored and camera.model.batch_size > 1:
        yield from predict_batches(camera, (frame for _, frame in frames))
        return
    workers = camera.model.workers if len(cameras) == 1 else 1
    with ExitStack() as at_the_end:
        if workers > 1:
            # The workers use all cores already.
            at_the_end.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(1)
        for result in predict_frames(frames, workers):
            yield [result]


def _frames(
    cameras: Sequence[Camera], progress: bool
) -> Generator[tuple[Camera, Frame], None, None]:
    if len(cameras) > 1 or cameras[0].name:
        yield from in_turn(cameras)
        return
    (camera,) = cameras
    total = camera.source.total
    with ExitStack() as at_the_end:
        frames = at_the_end.enter_context(closing(camera.frames()))
        if progress and total is not None and total > 1:
            frames = at_the_end.enter_context(closing(track(frames, "Predicting", total)))
        for frame in frames:
            yield camera, frame


class _Outputs:
    """The outputs of cameras: with several, one that fails is reported and left out.

    Args:
        cameras: The cameras.
        jsonl: Their common output of JSON Lines.
        detailed: Whether to draw details too.

    Attributes:
        count: Number of predictions that were written.
    """

    def __init__(
        self, cameras: Sequence[Camera], jsonl: JsonLinesWriter | None, detailed: bool
    ) -> None:
        self.count = 0
        self._alone = len(cameras) == 1
        self._jsonl = [] if jsonl is None else [jsonl]
        self._sinks = {camera: list(camera.sinks) for camera in cameras}
        self._watchers = {camera: list(camera.watchers) for camera in cameras}
        self._last: dict[Camera, Pixels] = {}
        self._detailed = detailed

    def write(self, result: FrameResult) -> bool:
        """Write, draw and show a frame; returns False when the user wants to stop."""
        camera, frame = result.camera, result.frame
        if result.problem:
            self._add_problem(camera, f"{frame.source}: {result.problem}")
            return True
        if result.prediction is None:
            return self._repeat(camera, frame)
        try:
            prediction = camera.model.apply_state(result.prediction, frame.time)
            if camera.conceal is not None:
                frame = replace(frame, image=camera.conceal(frame.image, prediction))
        except VisusError as error:
            # Such as a line outside the image of a camera that has changed its size.
            if self._alone:
                raise
            self._add_problem(camera, f"{camera.name}: {error}")
            return True
        self.count += 1
        self._last[camera] = frame.image
        entry = frame.to_json() | prediction.to_json() if self._jsonl else {}
        self._call(camera, self._jsonl, lambda jsonl: jsonl.write(entry))
        self._call(camera, self._watchers[camera], lambda watch: watch(frame, prediction))
        start = time.perf_counter()
        drawn = visible(frame.image)
        if self._sinks[camera]:
            drawn = draw_prediction(drawn, prediction, self._detailed)
        finished = time.perf_counter()
        continues = self._call(camera, self._sinks[camera], lambda sink: sink.show(frame, drawn))
        shown = time.perf_counter()
        stages = result.seconds, finished - start, shown - finished
        camera.times.add(shown, shown - frame.captured, *stages)
        return continues

    def close(self, camera: Camera, sink: Sink) -> None:
        """Close a sink that has not failed.

        Raises:
            VisusError: If it cannot be finished, for a single source.
        """
        if sink in self._sinks[camera]:
            closed = [sink]
            self._call(camera, closed, lambda each: each.close())
            if not closed:
                self._sinks[camera].remove(sink)

    def written(self) -> list[str]:
        """What the sinks that have not failed wrote."""
        return [sink.written() for sinks in self._sinks.values() for sink in sinks]

    def _repeat(self, camera: Camera, frame: Frame) -> bool:
        """Show why a camera has no new frame, over the last one that was shown."""
        sinks = self._sinks[camera]
        if camera not in self._last:
            return self._call(camera, sinks, lambda sink: sink.announce(frame.note))
        frame = replace(frame, image=self._last[camera])
        drawn = draw_note(visible(frame.image), frame.note)
        return self._call(camera, sinks, lambda sink: sink.show(frame, drawn))

    def _call(
        self, camera: Camera, outputs: list[Output], call: Callable[[Output], bool | None]
    ) -> bool:
        """Call every output; returns False where one of them returned False."""
        continues = True
        for output in tuple(outputs):
            try:
                continues &= call(output) is not False
            except VisusError as error:
                if self._alone:
                    raise
                outputs.remove(output)
                self._add_problem(camera, f"{camera.name}: {error}")
                print(printable(f"visus: {camera.name}: {error}"), file=sys.stderr)
                if isinstance(output, Sink):
                    with suppress(VisusError):
                        output.close()
        return continues

    def _add_problem(self, camera: Camera, problem: str) -> None:
        # The frames of a camera may all have the same one.
        if camera.source.problems[-1:] != [problem]:
            camera.source.problems.append(problem)
