"""The loop: take a frame, predict, draw, hand it on."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import cv2

from visus.apps.drawing_tmp import draw_note, draw_prediction
from visus.apps.live.parallel import in_lanes
from visus.apps.live.sinks.files_tmp import JsonLinesWriter, Sink
from visus.apps.live.sources.files_tmp import Frame, Source
from visus.apps.live.stopping import until_stopped
from visus.apps.live.times import LoopTimes
from visus.apps.inference.runtimes_tmp import Model
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, visible
from visus.vision.prediction import Prediction


@dataclass
class LoopResult:
    """What a loop did.

    Attributes:
        frames: Frames that were predicted.
        problems: What could not be read, a message each.
    """

    frames: int
    problems: list[str]


def run_loop(
    model: Model,
    source: Source,
    sinks: Sequence[Sink],
    jsonl: JsonLinesWriter | None = None,
    watchers: Sequence[Callable[[Frame, Prediction], None]] = (),
    draw: Callable[[Pixels, Any], Pixels] = draw_prediction,
    times: LoopTimes | None = None,
) -> LoopResult:
    """Predict every frame of a source until it ends, a sink stops it, or Ctrl+C or SIGTERM comes.

    Args:
        model: What predicts.
        source: Where frames come from.
        sinks: What takes the drawn frames; closed at the end, whatever happens.
        jsonl: Takes a JSON object a frame; closed at the end.
        watchers: Called with each frame and its prediction.
        times: Takes how long each frame takes.
        draw: Makes the drawn frames, of a picture and its prediction.
    """
    count = 0
    with ExitStack() as at_the_end:
        # One that cannot be closed keeps none of the others from being finished.
        for sink in sinks:
            at_the_end.callback(sink.close)
        if jsonl is not None:
            at_the_end.callback(jsonl.close)
        frames = at_the_end.enter_context(closing(source.frames()))
        at_the_end.enter_context(until_stopped())
        if model.lanes > 1:
            # The lanes have the cores already.
            at_the_end.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(1)
        for looked in in_lanes(partial(_look, model), frames, model.lanes):
            frame = looked.frame
            if looked.prediction is None:
                if looked.problem:
                    source.problems.append(f"{frame.source}: {looked.problem}")
                    continue
                drawn = draw_note(visible(frame.image), frame.note)
                if not all([sink.show(frame, drawn) for sink in sinks]):
                    break
                continue
            prediction = model.follow(looked.prediction)
            count += 1
            if jsonl is not None:
                jsonl.write(to_entry(frame, prediction))
            for watch in watchers:
                watch(frame, prediction)
            told = time.perf_counter()
            drawn = draw(frame.image, prediction) if sinks else visible(frame.image)
            finished = time.perf_counter()
            goes_on = all([sink.show(frame, drawn) for sink in sinks])
            shown = time.perf_counter()
            if times is not None:
                stages = looked.seconds, finished - told, shown - finished
                times.add(shown, shown - frame.captured, *stages)
            if not goes_on:
                break
    return LoopResult(count, source.problems)


class _Looked(NamedTuple):
    """A frame, and what a model says of it, or why it says nothing; neither of one with a note."""

    frame: Frame
    prediction: Prediction | None
    problem: str
    seconds: float


def _look(model: Model, frame: Frame) -> _Looked:
    if frame.note:
        return _Looked(frame, None, "", 0.0)
    begun = time.perf_counter()
    try:
        prediction = model.predict(frame.image)
    except VisusError as error:
        return _Looked(frame, None, str(error), 0.0)
    return _Looked(frame, prediction, "", time.perf_counter() - begun)


def print_summary(frame: Frame, prediction: Prediction) -> None:
    """Tell a person what was found, on a line."""
    place = "" if frame.index is None else f" frame {frame.index}"
    print(f"{frame.source}{place}: {prediction.summary()}", flush=True)


def to_entry(frame: Frame, prediction: Prediction) -> dict[str, Any]:
    """The JSON Lines object of one frame."""
    height, width = frame.image.shape[:2]
    entry: dict[str, Any] = {"source": frame.source}
    if frame.index is not None and frame.time is not None:
        entry |= {"frame": frame.index, "time": round(frame.time, 3)}
    return entry | {"width": width, "height": height, **prediction.to_json()}
