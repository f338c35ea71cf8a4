"""Commands that a task adds, and the services that applications offer to them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from visus.tasks.options import Session
    from visus.vision.frames import Frame
    from visus.vision.model import Model


class FrameSource(Protocol):
    """A stream of frames; see `visus.vision.frames.SourceProperties`.

    Attributes:
        problems: What could not be read so far.
    """

    still: bool
    live: bool
    rate: float
    problems: list[str]

    def frames(self) -> Iterable[Frame]:
        """The frames, in order."""
        ...


class Services(Protocol):
    """Services of an application for the commands that a task adds."""

    def load_model(self, name: str, runtime: str | None) -> Model:
        """Load a model by the name that the user gave."""
        ...

    def open_source(self, source: str) -> FrameSource:
        """Open images, a video or a camera."""
        ...

    def predict(
        self, session: Session, source: FrameSource, draw: Path | None, jsonl: str | None
    ) -> int:
        """Predict all frames of a source, print and write them; returns the exit code."""
        ...

    def report_problems(self, read: int, problems: list[str]) -> int:
        """Print the inputs that could not be read; returns the exit code."""
        ...


@dataclass(frozen=True)
class TaskAction:
    """One action of a task's command, such as `enroll` of `visus faces`.

    Attributes:
        name: The word after the command.
        help: What it does.
        add_arguments: Declares its arguments.
        run: Runs it; returns the exit code.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Services], int]


@dataclass(frozen=True)
class TaskCommand:
    """A command that a task adds, such as `visus faces`.

    Attributes:
        name: The word after `visus`.
        help: What it does.
        actions: Its actions.
    """

    name: str
    help: str
    actions: tuple[TaskAction, ...]
