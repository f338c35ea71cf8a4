"""The arguments that commands share: model, source, runtime, and the options of all tasks."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from visus.apps.inference.backends import exported_suffixes, runtime_names
from visus.apps.option_values import allowed_values
from visus.apps.parsing import EXIT_INCOMPLETE, CommandError, CommandParser
from visus.apps.runs import BUNDLE
from visus.tasks.options import OptionValues, TaskOption
from visus.tasks.registry import find_weights, task_spec, task_specs
from visus.tasks.spec import TaskSpec
from visus.vision.image_files import ARRAY_EXTENSION, EXTENSIONS, VIDEO_EXTENSIONS
from visus.vision.model import Model
from visus.vision.printable import printable
from visus.vision.wording import counted

MODEL_HELP = "a checkpoint, run folder, latest, exported file or folder, or a name"

_FILES = EXTENSIONS | VIDEO_EXTENSIONS | {ARRAY_EXTENSION}


def add_source_arguments(parser: CommandParser, several: bool = False) -> None:
    """Add the source of the frames.

    Args:
        parser: Of the command.
        several: Whether there may be several, in `sources`.
    """
    kinds = (
        "an image, a folder, a glob in quotes, a video, a camera's number, an address "
        "(rtsp:// or http://), or - for raw frames on the standard input"
    )
    if several:
        cameras = "; several cameras, addresses and videos run at the same time"
        parser.add_argument("sources", metavar="source", nargs="*", help=kinds + cameras)
    else:
        parser.add_argument("source", help=kinds)
    parser.add_argument("--size", metavar="WxH", help="size of raw frames, which are RGB bytes")
    parser.add_argument(
        "--rate",
        metavar="FPS",
        type=float,
        help="frame rate of raw frames; by default the rate at which they arrive",
    )


def add_runtime_argument(parser: CommandParser) -> None:
    """Add `--runtime`."""
    *others, last = runtime_names()
    names = f"{', '.join(others)} or {last}"
    parser.add_argument("--runtime", help=f"{names}; by default the fastest that is installed")


def add_task_options(parser: CommandParser, command: str) -> None:
    """Add the options of all tasks, grouped by task in the help.

    Args:
        parser: Of the command.
        command: Its name.
    """
    groups: dict[str, list[TaskOption]] = {}
    for option, specs in _options_with_tasks():
        if command in option.commands:
            groups.setdefault(" and ".join(spec.title for spec in specs), []).append(option)
    for title, options in groups.items():
        group = parser.add_argument_group(title)
        for option in options:
            if option.kind is None:
                group.add_argument(option.flag, action="store_true", default=None, help=option.help)
            else:
                group.add_argument(
                    option.flag,
                    action="append" if option.repeatable else "store",
                    type=option.kind,
                    metavar=option.metavar if option.choices is None else None,
                    choices=option.choices,
                    help=option.help,
                )


def parse_with_source(parser: CommandParser, argv: Sequence[str]) -> Namespace:
    """Parse the arguments of a command that takes a model and a source.

    Raises:
        CommandError: If an argument is wrong, model and source are swapped, or there are several
            sources.
    """
    args, rest = parser.parse_known_args(argv)
    _refuse_swapped(parser.prog, args.model, args.source)
    words = _positional(parser, rest)
    if words:
        raise CommandError(_several_sources([args.source, *words]))
    return args


def parse_with_sources(parser: CommandParser, argv: Sequence[str]) -> Namespace:
    """Parse the arguments of a command that takes a model and any number of sources.

    Raises:
        CommandError: If an argument is wrong, model and source are swapped, or there are several
            images.
    """
    args, rest = parser.parse_known_args(argv)
    args.sources = [*args.sources, *_positional(parser, rest)]
    _refuse_swapped(parser.prog, args.model, args.sources[0] if args.sources else "")
    if len(args.sources) > 1 and any(_holds_images(Path(source)) for source in args.sources):
        raise CommandError(_several_sources(args.sources))
    return args


def _positional(parser: CommandParser, rest: Sequence[str]) -> list[str]:
    """The words that a parser left over, none of which is an option.

    Raises:
        CommandError: If one is.
    """
    if any(word.startswith("-") and word != "-" for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return list(rest)


def task_values(args: Namespace, models: Sequence[Model]) -> list[OptionValues]:
    """The values of each model's task options.

    Raises:
        CommandError: If an option was given that belongs to none of the models' tasks, or with a
            value that none of the models allows.
    """
    tasks = [model.metadata.task for model in models]
    for option, specs in _options_with_tasks():
        owners = [spec.name for spec in specs]
        if getattr(args, option.name, None) is not None and not set(tasks) & set(owners):
            which = " and ".join(f"{m.name!r} is a {m.metadata.task} model" for m in models)
            raise CommandError(f"{option.flag} belongs to {' and '.join(owners)}; {which}")
    values: list[OptionValues] = [
        {option.name: getattr(args, option.name, None) for option in task_spec(task).options}
        for task in tasks
    ]
    return allowed_values(models, values)


def input_files(args: Namespace) -> list[str]:
    """The files that the tasks' options read."""
    values = [
        getattr(args, option.name, None) for option, _ in _options_with_tasks() if option.is_input
    ]
    return [str(value) for value in values if value is not None]


def output_files(args: Namespace) -> dict[str, Path | None]:
    """The files and folders that the tasks' options write, by option."""
    return {
        option.flag: getattr(args, option.name, None)
        for option, _ in _options_with_tasks()
        if option.is_output
    }


def report_problems(frames: int, problems: Sequence[str]) -> int:
    """Print the problems of reading; returns the exit code."""
    for problem in problems:
        print(printable(f"visus: {problem}"), file=sys.stderr)
    if problems:
        print(f"visus: {frames} read, {counted(len(problems), 'problem')}", file=sys.stderr)
    return EXIT_INCOMPLETE if problems else 0


def _options_with_tasks() -> list[tuple[TaskOption, list[TaskSpec]]]:
    """All options, each with the tasks that have it."""
    found: dict[str, tuple[TaskOption, list[TaskSpec]]] = {}
    for spec in task_specs().values():
        for option in spec.options:
            found.setdefault(option.flag, (option, []))[1].append(spec)
    return list(found.values())


def _refuse_swapped(prog: str, model: str, source: str) -> None:
    """Stop where the source is in the position of the model.

    Raises:
        CommandError: If the model is an image, a video or a camera, or the source is a model.
    """
    if _is_model(model):
        return
    swapped = _is_model(source)
    if swapped or Path(model).suffix.lower() in _FILES or model.isdecimal():
        raise CommandError(
            f"{model!r} is not a model; the model comes first, then the source: "
            f"{prog} {source if swapped else 'MODEL'} {model}"
        )


def _is_model(text: str) -> bool:
    """Whether an argument is the name of a model, by its form; it may not exist."""
    path = Path(text)
    entry = find_weights(text)
    return (
        text == "latest"
        or (entry is not None and bool(entry.task))
        or path.suffix.lower() in {".ckpt", *exported_suffixes()}
        or (path / BUNDLE).is_file()
        or any(path.glob("*.ckpt"))
    )


def _holds_images(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS | {ARRAY_EXTENSION} or path.is_dir()


def _several_sources(sources: Sequence[str]) -> str:
    """The message for several sources."""
    paths = [Path(source) for source in sources]
    if not all(path.suffix.lower() in _FILES or path.exists() for path in paths):
        return f"unexpected {sources[1]!r}: one source is expected"
    suffixes = {path.suffix for path in paths}
    folder = paths[0].parent
    pattern = folder / f"*{suffixes.pop() if len(suffixes) == 1 else ''}"
    return (
        f"{len(sources)} sources, where one is expected: the shell expanded a pattern; "
        f'quote it, "{pattern}", or name the folder, {folder}'
    )
