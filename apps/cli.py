"""The `visus` command: chooses a subcommand, and turns every expected error into one line."""

import argparse
import difflib
import re
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from visus.apps.addresses import hide_secrets
from visus.apps.commands import HELP, SLIPS
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from visus.tasks.spec import TaskCommand

EXIT_BAD_INPUT = 2
EXIT_INCOMPLETE = 3
"""Exit code when a part of the input was processed, and the rest named."""

_OWN = "visus"
"""The package that only a slip of our own can miss."""


class CommandError(VisusError):
    """A wrong argument."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line with a remedy, and which takes no abbreviations."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"visus {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            CommandError: Always.
        """
        known = [option for action in self._actions for option in action.option_strings]
        raise CommandError(f"{explain(message, known)}; see {self.prog} --help")


class ActionParser(CommandParser):
    """The parser of one action of a command that has several."""

    def __init__(self, prog: str, **keywords: object) -> None:
        super().__init__(prog.removeprefix("visus "), str(keywords.get("description", "")))


def explain(message: str, known: Iterable[str]) -> str:
    """A parser's message, with what was probably meant by an unknown option."""
    found = re.search(
        r"(?:unrecognized arguments|Unrecognized arguments)[^-]*(--?[\w.-]+)", message
    )
    if not found:
        return message
    near = did_you_mean(found[1], known)
    return f"unknown option {found[1]}{near}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The arguments after `visus`; those of the process by default.

    Returns:
        The exit code: 0, 2 for bad input, 3 where a part could not be processed.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    argv = [argument for argument in argv if argument != "--debug"]
    try:
        return _run(argv)
    except VisusError as error:
        told = traceback.format_exc() if debug else f"visus: {_last_words(error)}"
        print(hide_secrets(told), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("visus: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; Python must not report it again.
        sys.stdout = None
        return 0
    except OSError as error:
        if debug or error.filename is None:
            raise
        told = f"visus: {error.filename}: {error.strerror}; check path and rights"
        print(hide_secrets(told), file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if debug or package == _OWN:
            raise
        # What is imported as cv2 is installed by another name.
        told = f"visus: the package {package} is missing; visus doctor says how to install it"
        print(told, file=sys.stderr)
        return EXIT_BAD_INPUT


def _last_words(error: VisusError) -> str:
    """An error's message; of one that came from a loader process, without its traceback."""
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
    if command in SLIPS:
        raise CommandError(f"unknown command {command!r}; here it is visus {SLIPS[command]}")
    near = did_you_mean(command, [*HELP, *own])
    raise CommandError(f"unknown command {command!r}{near}; see visus --help")


def _run_task_command(command: "TaskCommand", argv: list[str]) -> int:
    """Parse the arguments of a task's own command, and run the action that they name."""
    parser = CommandParser(command.name, command.help)
    parsers = parser.add_subparsers(dest="action", required=True, parser_class=ActionParser)
    for action in command.actions:
        action.add_arguments(parsers.add_parser(action.name, description=action.help))
    args = parser.parse_args(argv)
    from visus.apps.services import AppServices

    (chosen,) = (action for action in command.actions if action.name == args.action)
    return chosen.run(args, AppServices())


def _task_commands() -> "dict[str, TaskCommand]":
    """The commands that tasks bring, by name."""
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
