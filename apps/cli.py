"""The `visus` command: chooses a subcommand, and reports every expected error in one line."""

import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

from visus.apps.addresses import hide_secrets
from visus.apps.commands import HELP, OTHER_NAMES
from visus.apps.parsing import (
    EXIT_BAD_INPUT,
    ActionParser,
    CommandError,
    CommandParser,
    did_you_mean,
)
from visus.apps.standard_streams import guarded_streams
from visus.vision.cores import configure_threads
from visus.vision.errors import VisusError
from visus.vision.printable import printable

if TYPE_CHECKING:
    from visus.tasks.commands import TaskCommand

_OWN = "visus"
"""The package whose absence is a defect of visus itself."""


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The arguments after `visus`; those of the process by default.

    Returns:
        The exit code: 0, 2 for bad input, 3 where a part could not be processed.
    """
    configure_threads()
    argv = list(sys.argv[1:] if argv is None else argv)
    with guarded_streams():
        return _run_reporting([each for each in argv if each != "--debug"], "--debug" in argv)


def _run_reporting(argv: list[str], debug: bool) -> int:
    """Run a subcommand; expected errors are one line on standard error."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except VisusError as error:
        message = traceback.format_exc() if debug else f"visus: {_message_of(error)}"
        print(printable(hide_secrets(message), lines=True), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("visus: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has ended, as `head` does.
        return 0
    except OSError as error:
        if debug or error.errno is None:
            raise
        where, remedy = "", "--debug shows where"
        if error.filename is not None:
            where, remedy = f"{error.filename}: ", "check the path and its permissions"
        message = f"visus: {where}{error.strerror}; {remedy}"
        print(printable(hide_secrets(message)), file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if debug or package == _OWN:
            raise
        # The name for pip may differ: cv2 is opencv-python.
        message = f"visus: the package {package} is missing; visus doctor prints how to install it"
        print(message, file=sys.stderr)
        return EXIT_BAD_INPUT


def _message_of(error: VisusError) -> str:
    """The message of an error, without the traceback that worker processes add."""
    text = str(error)
    if "Traceback (most recent call last)" in text:
        return text.strip().splitlines()[-1].partition(": ")[2]
    return text


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"visus {version('visus')}")
        return 0
    command, rest = argv[0], argv[1:]
    if command in HELP:
        exit_code: int = import_module(f"visus.apps.commands.{command}").main(rest)
        return exit_code
    own = _task_commands()
    if command in own:
        return _run_task_command(own[command], rest)
    if command in OTHER_NAMES:
        raise CommandError(f"unknown command {command!r}; here it is visus {OTHER_NAMES[command]}")
    near = did_you_mean(command, [*HELP, *own])
    raise CommandError(f"unknown command {command!r}{near}; see visus --help")


def _run_task_command(command: "TaskCommand", argv: list[str]) -> int:
    """Parse the arguments of a task's own command, and run the chosen action."""
    parser = CommandParser(command.name, command.help)
    parsers = parser.add_subparsers(dest="subcommand", required=True, parser_class=ActionParser)
    for action in command.actions:
        action.add_arguments(
            parsers.add_parser(action.name, help=action.help, description=action.help)
        )
    args = parser.parse_args(argv)
    from visus.apps.services import AppServices

    (chosen,) = (action for action in command.actions if action.name == args.subcommand)
    return chosen.run(args, AppServices())


def _task_commands() -> "dict[str, TaskCommand]":
    """The commands of the tasks, by name."""
    from visus.tasks.registry import task_specs

    return {each.name: each for spec in task_specs().values() for each in spec.commands()}


def _usage() -> str:
    texts = HELP | {name: command.help for name, command in _task_commands().items()}
    width = max(map(len, texts))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in texts.items())
    return (
        "usage: visus COMMAND ...\n\n"
        "Train, measure, export and run computer-vision models.\n\n"
        f"{commands}\n\n"
        "visus COMMAND --help lists the arguments of one; --version, --debug (full tracebacks)."
    )
