"""What the applications know of a task: one abstract class with one subclass a task, torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from visus.vision.metadata import ResizeMode

# Specs are read before anything is asked for; what takes long to import waits until then.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.base import VisionTask
    from visus.vision.frames import Frame, SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Network, Postprocess, Preprocess
    from visus.vision.prediction import Prediction

    Arrays = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, kw_only=True)
class InputInfo:
    """What the data module tells every task; a subclass adds what one task needs.

    Attributes:
        image_size: (height, width) of the network's input in pixels.
        class_names: One name for each class id, in order.
        in_channels: Channels of the input: 3 for RGB, 1 for grey.
        resize_mode: How an image is resized to the input size.
    """

    image_size: tuple[int, int]
    class_names: tuple[str, ...]
    in_channels: int
    resize_mode: ResizeMode


@dataclass(frozen=True)
class TaskOption:
    """An option of `visus predict` and `visus live` that belongs to a task.

    Attributes:
        flag: Such as `--threshold`.
        help: What it does.
        kind: `str`, `int`, `float` or `Path`; None for a switch.
        metavar: Placeholder of the value in the help.
        choices: The values that are allowed.
        commands: The commands that have it.
        is_input: Whether the value names a file that is read, and so is never written over.
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
    """A model with a command's options applied, and what else these options ask for.

    Attributes:
        model: The model.
        watchers: Called with each frame and its prediction.
        closing: Called after the last frame; each returns lines to print.
        adjust: Changes what is shown by one step, +1 or -1, and returns a line that says so; None
            where nothing can be adjusted.
    """

    model: Model
    watchers: list[Callable[[Frame, Prediction], None]] = field(default_factory=list)
    closing: list[Callable[[], Sequence[str]]] = field(default_factory=list)
    adjust: Callable[[int], str] | None = None


@dataclass(frozen=True)
class Explanation:
    """One map of what a prediction is based on.

    Attributes:
        image: The map laid over the image, uint8 RGB of its size.
        caption: What it shows.
    """

    image: Pixels
    caption: str


@dataclass
class ReportContext:
    """What a task's report is made from.

    Attributes:
        split: `val` or `test`.
        samples: How many samples were measured.
        folder: The run folder, for images and files.
        figures: The measured figures by name; a report may add some.
        read_image: The original image of a record, uint8 RGB, by the name of its source.
        batches: Unaugmented batches of a split, such as `train`.
    """

    split: str
    samples: int
    folder: Path
    figures: dict[str, float]
    read_image: Callable[[str], Pixels]
    batches: Callable[[str], Iterable[dict[str, Any]]]


Report = Callable[[Any, ReportContext], "list[Table | str]"]
"""From a measured task and the context to what is printed."""


@dataclass(frozen=True)
class ExportSpec:
    """How a task is exported.

    Attributes:
        output_names: Names of the network's outputs, in order; the first few where it has fewer.
        exporter: `dynamo`, or `torchscript` for networks whose output sizes depend on the image.
        dynamic_axes: Of each output, which axes have no fixed size, by name; of the `torchscript`
            exporter.
        fixed_outputs: Whether all outputs have the same shape for every image, as programs for
            phones need.
        int8_operations: ONNX operations that compute in int8; None for all that can.
    """

    output_names: tuple[str, ...] = ("logits",)
    exporter: Literal["dynamo", "torchscript"] = "dynamo"
    dynamic_axes: Mapping[int, str] = field(default_factory=dict)
    fixed_outputs: bool = True
    int8_operations: frozenset[str] | None = None


@dataclass(frozen=True)
class PipelineParts:
    """What an exported pipeline needs beside the task's own network.

    Attributes:
        networks: The other networks by name.
        values: Plain values that are stored beside them.
    """

    networks: Mapping[str, Network]
    values: Mapping[str, Any]


class Services(Protocol):
    """What an application offers to a task's own commands."""

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
        """Print what could not be read; returns the exit code."""
        ...


class FrameSource(Protocol):
    """A stream of frames; see `visus.vision.frames.SourceProperties`."""

    still: bool
    live: bool
    rate: float

    def frames(self) -> Iterable[Frame]:
        """The frames, in order."""
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
    """A command of a task's own, such as `visus faces`.

    Attributes:
        name: The word after `visus`.
        help: What it does.
        actions: Its actions.
    """

    name: str
    help: str
    actions: tuple[TaskAction, ...]


class TaskSpec(ABC):
    """What the applications know of a task.

    Attributes:
        name: Name of the task, of its folders and of its configurations' folder.
        title: The task in words.
        classes_title: What the class names are: `classes`, `words`...
        data_info: The dataclass of what the data module tells the task; a data module that lacks
            a field without a default is refused.
        source: What feeds the network: one `image`, a `window` of frames, or `none`.
        options: Command-line options of `predict` and `live`.
        export: How the task is exported.
        live: `every_frame`; `once_a_second` where that is enough for a person who reads along.
        not_shipped: Model names that users may expect, and what to do instead.
        is_pipeline: Whether `pipeline` adds networks; such a model is exported as a folder.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    classes_title: ClassVar[str] = "classes"
    data_info: ClassVar[type[InputInfo]] = InputInfo
    source: ClassVar[Literal["image", "window", "none"]] = "image"
    options: ClassVar[tuple[TaskOption, ...]] = ()
    export: ClassVar[ExportSpec] = ExportSpec()
    live: ClassVar[Literal["every_frame", "once_a_second"]] = "every_frame"
    not_shipped: ClassVar[Mapping[str, str]] = {}
    is_pipeline: ClassVar[bool] = False

    @abstractmethod
    def lightning_class(self) -> type[VisionTask]:
        """The LightningModule."""

    def preprocess(self) -> Preprocess:
        """The function from an image to the network's input."""
        from visus.vision.resize import preprocess_image

        return preprocess_image

    @abstractmethod
    def postprocess(self) -> Postprocess:
        """The function from the network's outputs for one image to a prediction."""

    @abstractmethod
    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """The function that draws a prediction on a copy of its image.

        Its arguments are the image (uint8 RGB), the prediction, and whether the image stands alone,
        so that there is room and time for details.
        """

    @abstractmethod
    def report(self) -> Report:
        """The function that reports on a measured task."""

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]] | None:
        """The function that shows what a prediction is based on; None where there is none."""
        return None

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """Apply the task's options to a model.

        Args:
            model: A model of this task.
            values: Values of `options`.
            source: Where the frames will come from.

        Raises:
            VisusError: If a value is not allowed, or does not suit the model or the source.
        """
        return Session(model)

    def commands(self) -> tuple[TaskCommand, ...]:
        """Commands of the task's own."""
        return ()

    @abstractmethod
    def compare_outputs(self, found: Arrays, expected: Arrays) -> tuple[float, float]:
        """How well an exported network agrees with PyTorch on one image.

        Args:
            found: Outputs of the exported network.
            expected: Outputs of PyTorch.

        Returns:
            The largest absolute difference of any number that matters, and the share of equal
            answers, 0 to 1.
        """

    def prepare_export(self, task: VisionTask) -> AbstractContextManager[None]:
        """While open, the task computes in the form that is exported."""
        return nullcontext()

    def pipeline(self, model: Model, parts: PipelineParts | None) -> Model:
        """Put around the bare network what it needs to predict.

        Args:
            model: The task's own network.
            parts: Of an exported pipeline; None to build them in PyTorch.
        """
        return model

    def export_parts(self, task: VisionTask) -> PipelineExport | None:
        """What is exported beside the task's own network; None where that is all."""
        return None

    def weights(self) -> tuple[WeightsEntry, ...]:
        """Ready-made weights of this task."""
        return ()

    def build_pretrained(self, entry: WeightsEntry) -> VisionTask:
        """The task that one of `weights` makes, in evaluation mode, on the CPU.

        Raises:
            VisusError: If the file is missing, or another.
        """
        raise NotImplementedError(f"task {self.name} has no ready-made weights")

    def migrate_arguments(self, arguments: dict[str, Any], format: int) -> dict[str, Any]:
        """The constructor arguments of an earlier checkpoint format in the current one.

        Args:
            arguments: Plain values as they were stored.
            format: The format of the checkpoint, below `visus.vision.metadata.FORMAT`.
        """
        if format < 2:
            # What the data module tells was spread among the arguments.
            arguments = {{"fit_mode": "resize_mode"}.get(k, k): v for k, v in arguments.items()}
            names = [each.name for each in fields(self.data_info) if each.name in arguments]
            arguments["data_info"] = {name: arguments.pop(name) for name in names}
        return arguments

    def migrate_weights(self, weights: dict[str, Any], format: int) -> dict[str, Any]:
        """The state dictionary of an earlier checkpoint format with the current names.

        Args:
            weights: Tensors by the names of the stored format.
            format: See `migrate_arguments`.
        """
        return weights


@dataclass(frozen=True)
class PartExport:
    """A network that is exported beside the task's own.

    Attributes:
        network: A PyTorch module from uint8 images to outputs.
        side: Height and width of an example image in pixels.
        any_size: Whether height and width may vary.
    """

    network: Any
    side: int
    any_size: bool = False


@dataclass(frozen=True)
class PipelineExport:
    """What an exported pipeline holds beside the task's own network.

    Attributes:
        networks: The other networks by name.
        values: Plain values to store.
        requirements: Distributions that the exported program needs beside NumPy, OpenCV, Pillow
            and a runtime.
        command: Arguments before and after those of the user, such as `("predict", "{model}")`.
        usage: The user's arguments, for the help.
    """

    networks: Mapping[str, PartExport]
    values: Mapping[str, Any]
    requirements: tuple[str, ...]
    command: tuple[tuple[str, ...], tuple[str, ...]]
    usage: str
