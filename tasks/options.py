"""Command-line options that belong to a task, and a model with its options applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.vision.frames import Frame
    from visus.vision.images import Pixels
    from visus.vision.metadata import ModelMetadata
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
        is_output: Whether the value names a file or a folder that is written.
        repeatable: Whether it may be given several times; its value is then a list.
        model_choices: From a model's metadata to the values that this model allows, such as its
            class names; None where they do not depend on it.
    """

    flag: str
    help: str
    kind: Callable[[str], Any] | None = str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    commands: tuple[str, ...] = ("predict", "live")
    is_input: bool = False
    is_output: bool = False
    repeatable: bool = False
    model_choices: Callable[[ModelMetadata], Sequence[str]] | None = None

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
        conceal: From an image (uint8, height x width x channels) and its prediction to a copy in
            which the regions of `--blur` are unrecognisable. It is called for every frame, after
            `Model.apply_state`; only the copy may be drawn, shown, stored or passed to `watchers`.
            None where nothing is concealed.
        as_a_whole: Whether the lines of `closing` describe a source as a whole, so that its single
            frames are not printed.
        private: Whether only the user may read the written predictions, as they hold embeddings.
    """

    model: Model
    watchers: list[Callable[[Frame, Prediction], None]] = field(default_factory=list)
    closing: list[Callable[[], Sequence[str]]] = field(default_factory=list)
    adjust: Callable[[int], str] | None = None
    conceal: Callable[[Pixels, Prediction], Pixels] | None = None
    as_a_whole: bool = False
    private: bool = False

    def concealed(self, frame: Frame, prediction: Prediction) -> Frame:
        """The frame with its image after `conceal`."""
        if self.conceal is None:
            return frame
        return replace(frame, image=self.conceal(frame.image, prediction))
