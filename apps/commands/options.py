"""The one parser of `predict` and `live`: their own options and those of all tasks."""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from visus.apps.cli import EXIT_INCOMPLETE, CommandError, CommandParser
from visus.tasks.registry import task_spec, task_specs
from visus.tasks.spec import OptionValues, TaskOption
from visus.vision.images import EXTENSIONS, VIDEO_EXTENSIONS
from visus.vision.model import Model

MODEL_HELP = "a checkpoint, run folder, latest, exported file or folder, or a name"


def add_source_arguments(parser: CommandParser) -> None:
    """Where the frames come from."""
    parser.add_argument(
        "source",
        help="an image, a folder, a glob in quotes, a video, a camera's number, an address "
        "(rtsp:// or http://), or - for raw frames on the standard input",
    )
    parser.add_argument("--size", metavar="WxH", help="of raw frames: bytes in RGB order")
    parser.add_argument(
        "--rate", metavar="FPS", type=float, help="of raw frames; by default as they come"
    )


def add_task_options(parser: CommandParser, command: str) -> None:
    """The options of all tasks, grouped by task in the help."""
    added: set[str] = set()
    for spec in task_specs().values():
        options = [option for option in spec.options if command in option.commands]
        if not options:
            continue
        group = parser.add_argument_group(spec.title)
        for option in options:
            if option.flag in added:
                continue
            added.add(option.flag)
            if option.kind is None:
                group.add_argument(option.flag, action="store_true", default=None, help=option.help)
            else:
                group.add_argument(
                    option.flag,
                    type=option.kind,
                    metavar=option.metavar if option.choices is None else None,
                    choices=option.choices,
                    help=option.help,
                )


def task_values(args: Namespace, models: Sequence[Model]) -> list[OptionValues]:
    """Of each model the values of its task's options.

    Raises:
        CommandError: If an option was given that belongs to no model's task.
    """
    tasks = [model.metadata.task for model in models]
    owners: dict[str, tuple[TaskOption, list[str]]] = {}
    for spec in task_specs().values():
        for option in spec.options:
            owners.setdefault(option.name, (option, []))[1].append(spec.name)
    for name, (option, names) in owners.items():
        if getattr(args, name, None) is not None and not set(tasks) & set(names):
            which = " and ".join(repr(model.name) for model in models)
            raise CommandError(
                f"{option.flag} belongs to {' and '.join(names)}; {which} is a "
                f"{' and a '.join(tasks)} model"
            )
    return [
        {option.name: getattr(args, option.name, None) for option in task_spec(task).options}
        for task in tasks
    ]


def input_files(args: Namespace) -> list[str]:
    """Files that the tasks' options read."""
    options = [option for spec in task_specs().values() for option in spec.options]
    values = [getattr(args, option.name, None) for option in options if option.is_input]
    return [str(value) for value in values if value is not None]


def parse_seconds(text: str) -> float:
    """A duration such as `2s` or `500ms`.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * units.get(unit, float("nan"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no duration; write a number and a unit, such as 2s")
    return seconds


def report_problems(frames: int, problems: Sequence[str]) -> int:
    """Print what could not be read; returns the exit code."""
    for problem in problems:
        print(f"visus: {problem}", file=sys.stderr)
    if problems:
        print(f"visus: {frames} read, {len(problems)} problems", file=sys.stderr)
    return EXIT_INCOMPLETE if problems else 0


def refuse_swapped(model: str, source: str) -> None:
    """Stop where the source stands in the place of the model.

    Raises:
        CommandError: If the model is an image, a video or a camera.
    """
    if Path(model).suffix.lower() in {*EXTENSIONS, *VIDEO_EXTENSIONS} or model.isdecimal():
        raise CommandError(
            f"{model!r} is no model; the model comes first, then the source: {source} {model}"
        )
