"""Parsers of command lines: each error is one line that names the remedy."""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from visus.vision.errors import VisusError

EXIT_BAD_INPUT = 2
EXIT_INCOMPLETE = 3
"""Exit code when a part of the input was processed, and the rest was reported."""

_OTHER_NAMES = {
    "--conf": ("--threshold",),
    "--confidence": ("--threshold",),
    "--conf-thres": ("--threshold",),
    "--score": ("--threshold",),
    "--root": ("--data",),
    "--save-dir": ("--draw",),
    "--json": ("--jsonl",),
    "--report": ("--stats",),
    "--seconds": ("--clip-length", "--duration"),
}
"""Options of other tools, and their names here; used where a command has the latter."""

_IMAGE_SIZE = ("--imgsz", "--img-size", "--image-size")


class CommandError(VisusError):
    """A wrong argument."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line with a remedy.

    It takes no abbreviations; options are written with hyphens or underscores.

    Args:
        command: The words after `visus`.
        description: What the command does.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"visus {command}", description=description, allow_abbrev=False)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """See `argparse.ArgumentParser.parse_known_args`."""
        words = None if args is None else [self._with_hyphens(word) for word in args]
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            CommandError: Always.
        """
        raise CommandError(f"{explain(message, self.known_options())}; see {self.prog} --help")

    def known_options(self) -> list[str]:
        """All options by their flags."""
        return [option for action in self._actions for option in action.option_strings]

    def _with_hyphens(self, word: str) -> str:
        option, equals, value = word.partition("=")
        hyphens = option.replace("_", "-")
        return hyphens + equals + value if hyphens in self.known_options() else word


class ActionParser(CommandParser):
    """The parser of one action of a command that has several."""

    def __init__(self, prog: str, **keywords: object) -> None:
        super().__init__(prog.removeprefix("visus "), str(keywords.get("description", "")))


def explain(message: str, known: Iterable[str]) -> str:
    """A parser's message; of an unknown option with the one that was probably meant.

    Args:
        message: The message of argparse or jsonargparse.
        known: The options of the command.
    """
    unknown = re.search(r"[Uu]nrecognized arguments[^-]*(--?[\w.-]+)", message)
    if not unknown:
        return message
    option, options = unknown[1], list(known)
    hyphens = option.replace("_", "-")
    if hyphens in _IMAGE_SIZE:
        return (
            f"unknown option {option}; the input size belongs to the model and is set when it is "
            "trained, by visus fit --data.image_size"
        )
    if hyphens == "--device":
        return (
            f"unknown option {option}; a checkpoint runs on the first GPU of CUDA_VISIBLE_DEVICES, "
            "otherwise on the CPU; --runtime chooses the runtime of an exported file"
        )
    for other in _OTHER_NAMES.get(hyphens, ()):
        if other in options:
            return f"unknown option {option}; here it is {other}"
    return f"unknown option {option}{did_you_mean(hyphens, options)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where no known word is close."""
    near = difflib.get_close_matches(word, list(known), 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
