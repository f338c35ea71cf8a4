"""Command-line options that belong to a task, and a model with its options applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.vision.frames import Frame
    from visus.vision.model import Model
    from visus.vision.prediction import Prediction


@dataclass(frozen=True)
class TaskOption:
    """An option of `visus predict` and `visus live` that belongs to a task.

    Attributes:
        flag: The option as it is written, such as `--threshold`.
        help: What it does.
        kind: `str`, `int`, `float` or `Path`; None for a switch.
        metavar: Placeholder of the value in the help.
        choices: The values that are allowed.
        commands: The commands that have it.
        is_input: Whether the value names a file that is read, and must not be overwritten.
    """

    flag: str
    help: str
    kind: Callable[[str], Any] | None = str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    commands: tuple[str, ...] = ("predict", "live")
    is_input: bool = False

    @property
    def name(self) -> str:
        """Key of the value, such as `min_face` for `--min-face`."""
        return self.flag.removeprefix("--").replace("-", "_")


OptionValues = Mapping[str, Any]
"""Values of a task's options by `TaskOption.name`; None where an option was not given."""


@dataclass
class Session:
    """A model with a command's options applied, and the callbacks that these options need.

    Attributes:
        model: The model.
        watchers: Called with each frame and its prediction.
        closing: Called after the last frame; each returns lines to print.
        adjust: Changes what is shown by one step, +1 or -1, and returns a line that describes the
            change; None if nothing can be adjusted.
        private: Whether only the user may read the written predictions, as they hold embeddings.
    """

    model: Model
    watchers: list[Callable[[Frame, Prediction], None]] = field(default_factory=list)
    closing: list[Callable[[], Sequence[str]]] = field(default_factory=list)
    adjust: Callable[[int], str] | None = None
    private: bool = False
