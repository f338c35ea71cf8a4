"""visus live: run a model on a camera or a video, in a window or to a file."""

import json
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.apps.cli import CommandError, CommandParser
from visus.apps.commands.infer import add_detection_arguments, add_face_arguments, add_source_arguments, prepare_detection, prepare_faces, report_problems
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from visus.apps.inference.runtimes_tmp import Model


def main(argv: list[str]) -> int:
    """Show or write the annotated frames until the source ends or the user stops."""
    parser = CommandParser(
        "live", "Run a model on a camera or a video, in a window, a browser or to a file."
    )
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    add_source_arguments(parser, nargs="?")
    parser.add_argument(
        "--and", dest="also", metavar="MODEL", action="append", default=[], help="one more model"
    )
    parser.add_argument("--video", metavar="FILE", type=Path, help="write an .mp4 or .webm instead")
    parser.add_argument(
        "--serve",
        metavar="PORT",
        help="show a page there instead, and answer POST /predict; HOST:PORT to be reached from "
        "elsewhere; without a source only pictures that are sent are answered",
    )
    parser.add_argument(
        "--jsonl", metavar="FILE", help="write JSON Lines instead; - for the output"
    )
    parser.add_argument("--report", metavar="FILE", type=Path, help="write the times as JSON")
    add_detection_arguments(parser)
    add_face_arguments(parser)
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)

    if args.source is None:
        return answer_pictures(args)

    from visus.tasks.captioning.captions_tmp import PacedModel
    from visus.apps.live.loop import run_loop
    from visus.apps.live.serve.server import PageServer
    from visus.apps.live.sinks.files_tmp import JsonLinesWriter, Sink, VideoSink
    from visus.apps.live.sources.files_tmp import open_source
    from visus.apps.live.times import LoopTimes
    from visus.apps.live.sinks.window import WindowSink
    from visus.apps.inference.networks_tmp import usable_lanes
    from visus.apps.outputs import check_outputs

    # Before anything slow: without a screen the answer should come at once.
    elsewhere = args.video or args.serve or args.jsonl
    window = None if elsewhere else WindowSink(f"visus {args.model}")
    source = open_source(args.source, args.size, args.rate)
    outputs = {"--video": args.video, "--jsonl": args.jsonl, "--report": args.report}
    check_outputs(outputs, [*source.files, args.model, *args.also, args.gallery])
    sinks: list[Sink] = [VideoSink(args.video, source.rate)] if args.video else []
    times = LoopTimes(source)
    # Several models would have to agree on it.
    models = load_models(args, usable_lanes() if source.waits and not args.also else 1)
    detector = of_task(models, "detection")
    if window is not None:
        sinks.append(window)
        window.figures = times.line
        if detector.metadata.task == "detection":
            window.change_threshold = partial(change_threshold, detector)
    if args.serve:
        page = PageServer(args.serve, combine(models), moving=True)
        sinks.append(page)
        page.figures = times.line
        print(f"visus: {page.url}", file=sys.stderr, flush=True)
    models[models.index(detector)] = prepare_detection(args, detector, source)
    if not source.still:
        captioning = [model.metadata.task == "captioning" for model in models]
        pairs = zip(models, captioning, strict=True)
        models = [PacedModel(model, source) if paced else model for model, paced in pairs]
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(combine(models), source, sinks, jsonl, times=times)
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
    for option in ("video", "jsonl", "report", "size", "rate", "track"):
        if getattr(args, option):
            raise CommandError(f"--{option} needs a source; give one, or leave it out")

    from visus.apps.live.serve.server import PageServer
    from visus.apps.inference.runtimes_tmp import set_threshold

    models = load_models(args)
    if args.threshold is not None:
        set_threshold(of_task(models, "detection"), args.threshold)
    page = PageServer(args.serve, combine(models), moving=False)
    print(f"visus: {page.url}", file=sys.stderr, flush=True)
    page.wait()
    return 0


def load_models(args: Namespace, lanes: int = 1) -> "list[Model]":
    """The model, and those that `--and` names; the one of faces with its gallery."""
    from visus.apps.inference.runtimes_tmp import load_model

    models = [load_model(name, args.runtime, lanes) for name in (args.model, *args.also)]
    prepare_faces(args, of_task(models, "face_recognition"))
    return models


def of_task(models: "list[Model]", task: str) -> "Model":
    """The first of that task, or the first of all, so that it is named where none is."""
    return next((model for model in models if model.metadata.task == task), models[0])


def combine(models: "list[Model]") -> "Model":
    """Models as one."""
    from visus.apps.inference.combined import CombinedModel

    return CombinedModel(models) if len(models) > 1 else models[0]


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
