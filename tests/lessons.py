"""The lessons of docs/learn: their blocks, and how tests run them."""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "docs" / "learn").glob("*.md"))

_FENCE = re.compile(r"```(bash|python|text)\n(.*?)```", re.S)
_QUOTED = re.compile(r"in\s`([\w/]+\.py)`")


@dataclass(frozen=True)
class Block:
    """A block of a lesson.

    Attributes:
        language: `bash`, `python` or `text`.
        content: Its lines.
        quoted: The file of the repository that a block of Python quotes; empty for code to run.
        line: Number of lines before its content.
    """

    language: str
    content: str
    quoted: str
    line: int


def blocks_of(lesson):
    """The blocks of a lesson in their order."""
    text = lesson.read_text(encoding="utf-8")
    blocks = []
    for match in _FENCE.finditer(text):
        paragraph = text[: match.start()].rstrip("\n").rpartition("\n\n")[2]
        quoted = _QUOTED.findall(paragraph) if match[1] == "python" else []
        line = text[: match.start(2)].count("\n")
        blocks.append(Block(match[1], match[2], quoted[-1] if quoted else "", line))
    assert text.count("```") == 2 * len(blocks), f"{lesson.name}: a block of another language"
    return blocks


def shortened(words):
    """A training of one batch in place of a lesson's."""
    if words[0] != "fit":
        return words
    kept = []
    counted = False
    pairs = iter(words)
    for word in pairs:
        if word in ("--budget", "--trainer.max_epochs", "--data.count"):
            counted |= word == "--data.count"
            next(pairs)
        else:
            kept.append(word)
    kept += ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"]
    return [*kept, "--data.count", "32"] if counted else kept


def run_lesson(lesson, visus, adapt=lambda words: words, after=lambda words: None):
    """Run every block of a lesson, and compare what it prints with the blocks of text.

    Args:
        lesson: Its file.
        visus: The fixture that runs a command.
        adapt: Changes the words of a command.
        after: Called with the words of each command, after it.
    """
    names, printed = {"__name__": "lesson"}, ""
    for block in blocks_of(lesson):
        if block.language == "bash":
            printed = ""
            for command in block.content.splitlines():
                words = shlex.split(command)
                assert words[0] == "visus", command
                code, out, err = visus(*adapt(words[1:]))
                assert code == 0, f"{lesson.name}: {command}\n{out}{err}"
                after(words[1:])
                printed += out
        elif block.language == "python" and not block.quoted:
            captured = io.StringIO()
            with contextlib.redirect_stdout(captured):
                exec(compile("\n" * block.line + block.content, lesson, "exec"), names)
            printed = captured.getvalue()
        elif block.language == "text" and printed:
            assert_printed(block.content, printed, lesson.name)


def assert_printed(expected, printed, place):
    """Each line of a block of text is printed, in its order; `...` stands for any lines.

    Numbers of spaces do not count: the width of a table's columns depends on the terminal.
    """
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in expected.splitlines():
        wanted = " ".join(line.split())
        if wanted and wanted != "...":
            assert any(wanted == each for each in lines), (
                f"{place}: {line}\nis not in\n{printed[-2000:]}"
            )
