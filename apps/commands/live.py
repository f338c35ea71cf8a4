"""visus live: run models on cameras or videos, in a window, on a page or to files."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.commands.camera_options import (
    RequestedCamera,
    add_event_arguments,
    requested_cameras,
)
from visus.apps.commands.options import (
    MODEL_HELP,
    add_runtime_argument,
    add_source_arguments,
    add_task_options,
    input_files,
    output_files,
    parse_with_sources,
    report_problems,
    task_values,
)
from visus.apps.parsing import CommandError, CommandParser

if TYPE_CHECKING:
    from visus.apps.live.cameras import Camera
    from visus.apps.live.events.webhooks import Webhook
    from visus.apps.live.sinks.window import WindowSink
    from visus.apps.live.sources.base import Source
    from visus.tasks.options import Session


def main(argv: list[str]) -> int:
    """Show or write the annotated frames until the sources end or the user stops."""
    args = parse_with_sources(_parser(), argv)
    requested = requested_cameras(args)
    several = bool(requested[0].name)

    from visus.apps.inference.backends import usable_workers
    from visus.apps.inference.loading import load_model
    from visus.apps.live.events.webhooks import Webhook
    from visus.apps.live.loop import JsonLinesWriter, run_loop
    from visus.apps.live.printing import print_closing, print_closing_lines
    from visus.apps.live.sessions import configure, naming_camera
    from visus.apps.live.sinks.window import WindowSink
    from visus.apps.live.sources import open_source
    from visus.apps.live.sources.site import open_beside_others
    from visus.vision.output_files import write_text

    # Before anything slow: without a display the error comes at once.
    elsewhere = args.video or args.serve or args.jsonl or args.save
    window = None if elsewhere else WindowSink(f"visus {args.model}")
    sources = [
        open_beside_others(each.source, each.name)
        if several
        else open_source(each.source, args.size, args.rate)
        for each in requested
    ]
    _check_outputs(args, requested, sources)
    workers = usable_workers() if sources[0].stored else 1
    models = [load_model(name, args.runtime, workers) for name in (args.model, *args.also)]
    sessions = []
    for each, source in zip(requested, sources, strict=True):
        with naming_camera(each.name):
            values = task_values(each.options, models)
            sessions.append(configure(models, values, source, each.name))
    private = any(session.private for own in sessions for session in own)
    with ExitStack() as at_the_end:
        webhook = None
        if args.webhook:
            webhook = Webhook(args.webhook, args.save / "undelivered.jsonl", private)
            at_the_end.callback(webhook.close)
        cameras = _new_cameras(args, requested, sources, sessions, webhook)
        _show(args, cameras, sessions, window)
        jsonl = JsonLinesWriter(args.jsonl, private) if args.jsonl else None
        unwatched = window is None and not args.serve
        progress = window is None and args.jsonl != "-"
        result = run_loop(cameras, jsonl, progress=progress, batched=unwatched)
    if webhook is not None:
        result.problems.extend(webhook.problems)
    for each, own in zip(requested, sessions, strict=True):
        print_closing_lines(each.file_name, own)
    if args.stats:
        reports = {camera.name: camera.times.report() for camera in cameras}
        report = {"cameras": reports} if several else cameras[0].times.report()
        write_text(args.stats, json.dumps(report, indent=2) + "\n")
    if window is None:
        print_closing(result, sources[0].still)
    return report_problems(result.frames, result.problems)


def _check_outputs(
    args: Namespace, requested: Sequence[RequestedCamera], sources: "Sequence[Source]"
) -> None:
    from visus.apps.live.serve.address import parse_address
    from visus.apps.live.sinks.video import check_suffix
    from visus.apps.outputs import check_outputs
    from visus.vision.output_files import refuse_unwritable

    for each, source in zip(requested, sources, strict=True):
        if each.conditions and source.still:
            raise CommandError(f"--on needs a video or a camera; {each.source!r} is images")
    if args.save is not None and args.save.exists() and not args.save.is_dir():
        raise CommandError(f"--save {args.save}: is a file; name a folder")
    outputs = {"--jsonl": args.jsonl, "--stats": args.stats}
    for each in requested:
        written = {"--video": each.video, **output_files(each.options)}
        outputs |= {f"{option} {each.name}".rstrip(): path for option, path in written.items()}
    files = [str(file) for source in sources for file in source.files]
    files += [file for each in requested for file in input_files(each.options)]
    check_outputs(outputs, [*files, args.model, *args.also, args.cameras])
    # What is written much later, or after models were loaded.
    if args.save is not None:
        refuse_unwritable(args.save / "event.mp4")
    if args.stats is not None:
        refuse_unwritable(args.stats)
    for each in requested:
        if each.video is not None:
            check_suffix(each.video)
    if args.serve:
        parse_address(args.serve)


def _new_cameras(
    args: Namespace,
    requested: Sequence[RequestedCamera],
    sources: "Sequence[Source]",
    sessions: "Sequence[Sequence[Session]]",
    webhook: "Webhook | None",
) -> "list[Camera]":
    """The cameras with their own files: videos, and the clips of events."""
    from visus.apps.live.events.event_sink import EventSettings, EventSink
    from visus.apps.live.sessions import check_labels, naming_camera, new_camera
    from visus.apps.live.sinks.video import VideoSink

    cameras = []
    for each, source, own in zip(requested, sources, sessions, strict=True):
        camera = new_camera(source, own, each.name)
        if each.video is not None:
            camera.sinks.append(VideoSink(each.video, source.rate, None if source.live else 0.0))
        if each.conditions:
            with naming_camera(each.name):
                check_labels(each.conditions, own)
            private = any(session.private for session in own)
            settings = EventSettings(args.save, args.clip_length, args.cooldown, webhook, private)
            events = EventSink(each.file_name, source, each.conditions, settings)
            camera.sinks.append(events)
            camera.watchers.append(events.watch)
        cameras.append(camera)
    return cameras


def _show(
    args: Namespace,
    cameras: "Sequence[Camera]",
    sessions: "Sequence[Sequence[Session]]",
    window: "WindowSink | None",
) -> None:
    """Show the cameras in the window and on the page, several as one image."""
    from visus.apps.live.mosaic import Mosaic
    from visus.apps.live.serve.server import PageServer
    from visus.apps.live.sessions import adjust_all, sessions_of_page
    from visus.apps.live.sinks.base import Sink

    page = PageServer(args.serve, sessions_of_page(sessions), moving=True) if args.serve else None
    shown: list[Sink] = [sink for sink in (window, page) if sink is not None]
    figures = cameras[0].times.line
    if shown and cameras[0].name:
        mosaic = Mosaic(cameras, shown)
        figures = mosaic.line
        for camera, tile in zip(cameras, mosaic.tiles(), strict=True):
            camera.sinks.append(tile)
    else:
        cameras[0].sinks.extend(shown)
    if window is not None:
        window.figures = figures
        window.live = cameras[0].source.live
        window.adjust = adjust_all(sessions)
    if page is not None:
        page.figures = figures
        page.live = cameras[0].source.live
        if not cameras[0].name:
            cameras[0].watchers.append(page.watch)
        print(f"visus: {page.url}", file=sys.stderr, flush=True)


def _parser() -> CommandParser:
    parser = CommandParser(
        "live", "Run models on cameras or videos, in a window, in a browser or to files."
    )
    parser.add_argument("model", help=MODEL_HELP)
    add_source_arguments(parser, several=True)
    parser.add_argument(
        "--cameras",
        metavar="FILE",
        type=Path,
        help="a YAML file with the name, the source and the options of each camera",
    )
    parser.add_argument(
        "--and",
        dest="also",
        metavar="MODEL",
        action="append",
        default=[],
        help="a further model; may be repeated",
    )
    parser.add_argument(
        "--video",
        metavar="FILE",
        type=Path,
        help="write an .mp4 or .webm, without a window; of several cameras one for each, "
        "FILE-NAME.mp4",
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
    add_event_arguments(parser)
    add_runtime_argument(parser)
    add_task_options(parser, "live")
    return parser
