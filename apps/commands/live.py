"""visus live: run a model on a camera or a video, in a window or to a file."""

import json
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.cli import CommandError, CommandParser
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
    parser = CommandParser(
        "live", "Run a model on a camera or a video, in a window, a browser or to a file."
    )
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    add_source_arguments(parser, nargs="?")
    parser.add_argument("--video", metavar="FILE", type=Path, help="write an .mp4 instead")
    parser.add_argument(
        "--serve",
        metavar="PORT",
        help="show a page there instead, and answer POST /predict; HOST:PORT to be reached from "
        "elsewhere; without a source only pictures that are sent are answered",
    )
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines there; - for the output")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write the times as JSON")
    add_detection_arguments(parser)
    add_face_arguments(parser)
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)

    if args.source is None:
        return answer_pictures(args)

    from apps.captions import PacedModel
    from apps.live.loop import run_loop
    from apps.live.server import PageServer
    from apps.live.sinks import JsonLinesWriter, Sink, VideoSink
    from apps.live.sources import open_source
    from apps.live.times import LoopTimes
    from apps.live.window import WindowSink
    from apps.runtimes import load_model

    # Before anything slow: without a screen the answer should come at once.
    window = None if args.video or args.serve else WindowSink(f"visus {args.model}")
    source = open_source(args.source, args.size)
    sinks: list[Sink] = [VideoSink(args.video, source.rate)] if args.video else []
    model = load_model(args.model, args.runtime)
    tracker = prepare_detection(args, model, source)
    prepare_faces(args, model)
    times = LoopTimes(source)
    if window is not None:
        sinks.append(window)
        window.figures = times.line
        if model.metadata.task == "detection":
            window.change_threshold = partial(change_threshold, model)
    if args.serve:
        page = PageServer(args.serve, model, moving=True)
        sinks.append(page)
        page.figures = times.line
        print(f"visus: {page.url}", file=sys.stderr, flush=True)
    if model.metadata.task == "captioning" and not source.still:
        model = PacedModel(model, source)
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(model, source, sinks, jsonl, tracker=tracker, times=times)
    if args.report:
        write_report(args.report, times.report())
    return report_problems(result.frames, result.problems)


def answer_pictures(args: Namespace) -> int:
    """Answer pictures that are sent, where there is no source, until Ctrl+C is pressed.

    Raises:
        CommandError: If an argument needs a source.
    """
    if args.serve is None:
        raise CommandError("name a source; without one there is only --serve PORT")
    for option in ("video", "jsonl", "report", "size", "track"):
        if getattr(args, option):
            raise CommandError(f"--{option} needs a source; give one, or leave it out")

    from apps.live.server import PageServer
    from apps.runtimes import load_model, set_threshold

    model = load_model(args.model, args.runtime)
    if args.threshold is not None:
        set_threshold(model, args.threshold)
    prepare_faces(args, model)
    page = PageServer(args.serve, model, moving=False)
    print(f"visus: {page.url}", file=sys.stderr, flush=True)
    page.wait()
    return 0


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
