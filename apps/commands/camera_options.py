"""The cameras that a command line requests: their sources, options and events."""

import argparse
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from visus.apps.commands.options import add_task_options
from visus.apps.live.camera_files import CameraEntry, name_cameras, read_cameras
from visus.apps.live.events.conditions import Condition, parse_condition
from visus.apps.live.events.webhooks import check_address
from visus.apps.parsing import CommandError, CommandParser
from visus.vision.durations import parse_seconds

_CLIP_LENGTH = 10.0
_COOLDOWN = 30.0


@dataclass(frozen=True)
class RequestedCamera:
    """A source with the options that apply to it.

    Attributes:
        name: Its name; empty for a source that is not among cameras.
        file_name: Its name in names of files.
        source: A camera's number, an address, a video or images.
        options: The arguments of the command, with the camera's own options.
        conditions: The conditions of its events.
        video: The file of its video; None without.
    """

    name: str
    file_name: str
    source: str
    options: Namespace
    conditions: Sequence[Condition]
    video: Path | None


def add_event_arguments(parser: CommandParser) -> None:
    """Add `--on` and what is done at an event."""
    group = parser.add_argument_group("events")
    _add_conditions(group)
    group.add_argument(
        "--save", metavar="DIR", type=Path, help="write a clip and a JSON file of each event there"
    )
    group.add_argument(
        "--clip-length",
        metavar="DURATION",
        type=_clip_length,
        default=_CLIP_LENGTH,
        help=f"length of a clip, half of it before the event; {_CLIP_LENGTH:g}s by default",
    )
    group.add_argument(
        "--cooldown",
        metavar="DURATION",
        type=parse_seconds,
        default=_COOLDOWN,
        help=f"time from an event to the next of the same condition; {_COOLDOWN:g}s by default",
    )
    group.add_argument(
        "--webhook", metavar="URL", help="send each event there, as a POST request with JSON"
    )


def requested_cameras(args: Namespace) -> list[RequestedCamera]:
    """The cameras of a command line.

    Raises:
        CommandError: If there is none, or arguments are wrong or contradict each other.
        VisusError: If the address of the webhook is malformed.
    """
    entries, several = _entries(args)
    requested = []
    for entry in entries:
        options = _options_of(entry, args)
        name = entry.name if several else ""
        video: Path | None = args.video
        if video is not None and several:
            video = video.with_name(f"{video.stem}-{name}{video.suffix}")
        conditions = options.on or ()
        requested.append(
            RequestedCamera(name, entry.name, entry.source, options, conditions, video)
        )
    events = any(each.conditions for each in requested)
    if events and args.save is None:
        raise CommandError("--on needs --save DIR, the folder of its clips")
    for option, value in (("--save", args.save), ("--webhook", args.webhook)):
        if value is not None and not events:
            raise CommandError(f"{option} needs --on CONDITION, such as --on 'person > 0.5 for 2s'")
    if args.webhook is not None:
        check_address(args.webhook)
    return requested


def _add_conditions(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--on",
        metavar="CONDITION",
        type=parse_condition,
        action="append",
        help="record an event when it holds, such as 'person > 0.5 for 2s'; may be repeated; "
        "the label any stands for every label",
    )


def _clip_length(text: str) -> float:
    """Length of a clip in seconds.

    Raises:
        argparse.ArgumentTypeError: If it is not a duration from one second to ten minutes.
    """
    seconds = parse_seconds(text)
    if not 1 <= seconds <= 600:
        raise ArgumentTypeError(f"{text!r} is not a duration from 1s to 10m")
    return seconds


def _entries(args: Namespace) -> tuple[list[CameraEntry], bool]:
    """The cameras, and whether they are cameras of a site, with names."""
    if args.cameras is not None:
        if args.sources:
            raise CommandError(
                f"--cameras {args.cameras} names all sources; leave out {args.sources[0]!r}"
            )
        if args.size or args.rate:
            raise CommandError("--size and --rate belong to the source -, not to --cameras")
        return read_cameras(args.cameras), True
    if not args.sources:
        raise CommandError(
            "no source; name a camera's number, an address, a video or images, or --cameras FILE"
        )
    several = len(args.sources) > 1
    if several and (args.size or args.rate):
        raise CommandError("--size and --rate belong to the source -, which can only be alone")
    return name_cameras(args.sources), several


def _options_of(entry: CameraEntry, args: Namespace) -> Namespace:
    """The arguments of a command for one camera, whose own options take precedence.

    Raises:
        CommandError: If an option is wrong, naming its file and line.
    """
    parser = CommandParser("live", "")
    add_task_options(parser, "live")
    _add_conditions(parser)
    known = vars(parser.parse_args([]))
    merged = copy(args)
    for option in entry.options:
        name = option.key.replace("-", "_")
        try:
            given, rest = parser.parse_known_args(list(option.words))
            if rest or name not in known:
                parser.error(f"unrecognized arguments: --{option.key}")
        except CommandError as error:
            raise CommandError(f"{option.place}: {error}") from None
        setattr(merged, name, getattr(given, name))
    return merged
