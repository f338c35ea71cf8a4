"""visus live: run a model on a camera or a video, in a window or to a file."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.cli import CommandParser
from apps.commands.infer import (
    add_detection_arguments,
    add_face_arguments,
    add_source_arguments,
    prepare_detection,
    prepare_faces,
    report_problems,
)
from vision.errors import VisusError

if TYPE_CHECKING:
    from apps.runtimes import Model


def main(argv: list[str]) -> int:
    """Show or write the annotated frames until the source ends or the user stops."""
    parser = CommandParser("live", "Run a model on a camera or a video, in a window or to a file.")
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    add_source_arguments(parser)
    parser.add_argument("--video", metavar="FILE", type=Path, help="write an .mp4 instead")
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines there; - for the output")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write the times as JSON")
    add_detection_arguments(parser)
    add_face_arguments(parser)
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)

    from apps.captions import PacedModel
    from apps.live.loop import run_loop
    from apps.live.sinks import JsonLinesWriter, Sink, VideoSink
    from apps.live.sources import open_source
    from apps.live.times import LoopTimes
    from apps.live.window import WindowSink
    from apps.runtimes import load_model

    # Before anything slow: without a screen the answer should come at once.
    window = None if args.video else WindowSink(f"visus {args.model}")
    source = open_source(args.source, args.size)
    sink: Sink = window or VideoSink(args.video, source.rate)
    model = load_model(args.model, args.runtime)
    if model.metadata.task == "captioning" and not source.still:
        model = PacedModel(model, source)
    tracker = prepare_detection(args, model, source)
    prepare_faces(args, model)
    times = LoopTimes(source)
    if window is not None:
        window.figures = times.line
        if model.metadata.task == "detection":
            window.change_threshold = partial(change_threshold, model)
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(model, source, [sink], jsonl, tracker=tracker, times=times)
    if args.report:
        write_report(args.report, times.report())
    return report_problems(result.frames, result.problems)


def change_threshold(model: "Model", change: float) -> str:
    """Raise or lower a detector's threshold; tells the new one."""
    threshold = float(model.metadata.options["threshold"]) + change
    threshold = round(min(1.0, max(0.0, threshold)), 2)
    model.set_option("threshold", threshold)
    return f"threshold {threshold:.2f}"


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the times of a loop.

    Raises:
        VisusError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise VisusError(f"--report {path}: cannot be written ({error.strerror})") from None
