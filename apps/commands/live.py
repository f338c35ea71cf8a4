"""visus live: run models on a camera or a video, in a window, on a page or to a file."""

import json
import sys
from pathlib import Path

from visus.apps.commands.options import (
    MODEL_HELP,
    add_runtime_argument,
    add_source_arguments,
    add_task_options,
    input_files,
    parse_with_source,
    report_problems,
    task_values,
)
from visus.apps.parsing import CommandParser


def main(argv: list[str]) -> int:
    """Show or write the annotated frames until the source ends or the user stops."""
    parser = CommandParser(
        "live", "Run models on a camera or a video, in a window, in a browser or to a file."
    )
    parser.add_argument("model", help=MODEL_HELP)
    add_source_arguments(parser)
    parser.add_argument(
        "--and",
        dest="also",
        metavar="MODEL",
        action="append",
        default=[],
        help="a further model; may be repeated",
    )
    parser.add_argument(
        "--video", metavar="FILE", type=Path, help="write an .mp4 or .webm, without a window"
    )
    parser.add_argument(
        "--serve",
        metavar="PORT",
        help="show a page there, without a window, and answer POST /predict; HOST:PORT to accept "
        "other machines",
    )
    parser.add_argument(
        "--jsonl",
        metavar="FILE",
        help="write JSON Lines, without a window; - for standard output",
    )
    parser.add_argument(
        "--stats", metavar="FILE", type=Path, help="write frame rate and latencies as JSON"
    )
    add_runtime_argument(parser)
    add_task_options(parser, "live")
    args = parse_with_source(parser, argv)

    from visus.apps.inference.backends import usable_workers
    from visus.apps.inference.combined import combine
    from visus.apps.inference.loading import load_model
    from visus.apps.live.loop import JsonLinesWriter, run_loop
    from visus.apps.live.printing import print_closing
    from visus.apps.live.serve.server import PageServer
    from visus.apps.live.sinks.base import Sink
    from visus.apps.live.sinks.video import VideoSink
    from visus.apps.live.sinks.window import WindowSink
    from visus.apps.live.sources import open_source
    from visus.apps.live.throttled import ThrottledModel
    from visus.apps.live.times import LoopTimes
    from visus.apps.outputs import check_outputs
    from visus.tasks.registry import task_spec
    from visus.vision.output_files import write_text

    # Before anything slow: without a display the error comes at once.
    elsewhere = args.video or args.serve or args.jsonl
    window = None if elsewhere else WindowSink(f"visus {args.model}")
    source = open_source(args.source, args.size, args.rate)
    outputs = {"--video": args.video, "--jsonl": args.jsonl, "--stats": args.stats}
    inputs = [*source.files, args.model, *args.also, *input_files(args)]
    check_outputs(outputs, inputs)
    sinks: list[Sink] = [VideoSink(args.video, source.rate)] if args.video else []
    times = LoopTimes(source)
    # Several models may allow different numbers of workers.
    workers = usable_workers() if source.stored and not args.also else 1
    models = [load_model(name, args.runtime, workers) for name in (args.model, *args.also)]
    values = task_values(args, models)
    sessions = [
        task_spec(model.metadata.task).configure(model, own, source)
        for model, own in zip(models, values, strict=True)
    ]
    models = [session.model for session in sessions]
    if not source.still:
        models = [
            ThrottledModel(model, source)
            if task_spec(model.metadata.task).live == "once_a_second"
            else model
            for model in models
        ]
    model = combine(models)
    if window is not None:
        sinks.append(window)
        window.figures = times.line
        window.adjust = next((s.adjust for s in sessions if s.adjust is not None), None)
    if args.serve:
        page = PageServer(args.serve, model, moving=True)
        sinks.append(page)
        page.figures = times.line
        print(f"visus: {page.url}", file=sys.stderr, flush=True)
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    watchers = [watch for session in sessions for watch in session.watchers]
    progress = window is None and args.jsonl != "-"
    result = run_loop(model, source, sinks, jsonl, watchers, times, progress=progress)
    if args.stats:
        write_text(args.stats, json.dumps(times.report(), indent=2) + "\n")
    if window is None:
        print_closing(result, source.still)
    return report_problems(result.frames, result.problems)
