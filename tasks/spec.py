"""The interface of a task for the applications: an abstract class, torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from visus.tasks.budget import BudgetChoices
from visus.tasks.commands import TaskCommand
from visus.tasks.data_info import InputInfo
from visus.tasks.export_spec import ExportSpec, PipelineExport, PipelineParts
from visus.tasks.options import OptionValues, Session, TaskOption
from visus.vision.errors import VisusError

# Every command imports the specs, so that slow imports are deferred until they are needed.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table
    from torch import Tensor

    from visus.models.attacks import AttackGoal
    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.distillation import Distillation
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess, Preprocess
    from visus.vision.occlusion import Target

    Arrays = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Explanation:
    """One map that explains a prediction.

    Attributes:
        image: The map drawn over the image, uint8 RGB of its size.
        caption: A description of the map.
        heat: The map, float32 of the image's height and width, 0 to 1; None if the explanation is
            not a heat map.
    """

    image: Pixels
    caption: str
    heat: NDArray[np.float32] | None = None


@dataclass
class ReportContext:
    """Inputs of a task's report.

    Attributes:
        split: `val` or `test`.
        samples: Number of samples.
        folder: The run folder, for images and files.
        metrics: The measured metrics by name; a report may add some.
        read_image: The original image of a record, uint8 RGB, by the name of its source.
        batches: Unaugmented batches of a split, such as `train`.
    """

    split: str
    samples: int
    folder: Path
    metrics: dict[str, float]
    read_image: Callable[[str], Pixels]
    batches: Callable[[str], Iterable[dict[str, Any]]]


Report = Callable[[Any, ReportContext], "list[Table | str]"]
"""From an evaluated task and the context to the tables and lines to print."""


class TaskSpec(ABC):
    """The interface of a task for the applications; one subclass per task.

    Attributes:
        name: Name of the task, of its folders and of its configurations' folder.
        title: The task in words.
        classes_title: Plural noun for the class names: `classes`, `words`...
        data_info: Dataclass of the properties of the data that the task depends on; a data module
            that lacks a field without a default is refused.
        options: Command-line options of `predict` and `live`.
        export: How the task is exported.
        budget: What a training under a time budget may choose from.
        live: `every_frame`, or `once_a_second` for predictions that are read as text.
        not_shipped: Model names that users may expect, and what to do instead.
        is_pipeline: Whether `pipeline` adds networks; such a model is exported as a folder.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    classes_title: ClassVar[str] = "classes"
    data_info: ClassVar[type[InputInfo]] = InputInfo
    options: ClassVar[tuple[TaskOption, ...]] = ()
    export: ClassVar[ExportSpec] = ExportSpec()
    budget: ClassVar[BudgetChoices] = BudgetChoices()
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

        Its arguments are the image (uint8 RGB), the prediction, and whether the image is a single
        one, on which details are drawn, rather than a frame of a stream.
        """

    def item_labels(self, model: Model) -> Collection[str]:
        """The labels that the items of a model's predictions can have, as far as they are known."""
        return model.metadata.class_names

    def uncertainty(self, prediction: Any) -> float:
        """How likely a prediction needs a correction before it can be a label, 0 to 1.

        Args:
            prediction: One of this task, whose data module writes labels.
        """
        raise NotImplementedError(f"predictions of task {self.name} cannot be labels")

    @abstractmethod
    def report(self) -> Report:
        """The function that reports on an evaluated task."""

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """Evaluate samples one by one, for `visus report`.

        Args:
            task: A trained task in evaluation mode.
            batches: Unaugmented batches of a split, or of a part of it.
            data: The data module.
            split: `val` or `test`.
        """
        raise VisusError(f"task {self.name} does not assess single samples")

    def main_metric(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> float:
        """The main metric of `assess`; a task may leave out what only the others need."""
        assessment = self.assess(task, batches, data, split)
        return assessment.compute()[assessment.main]

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]] | None:
        """The function that explains a prediction by maps over its image; None if there is none."""
        return None

    def targets(self, prediction: Any) -> list[Target]:
        """The parts of a prediction that occlusion maps explain, the most important first.

        Args:
            prediction: One of this task.
        """
        return []

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """The goals of adversarial attacks on a batch; empty if the task supports none.

        Args:
            task: A trained task in evaluation mode.
            batch: An unaugmented batch on the task's device.
        """
        return []

    def distillation(self, task: VisionTask) -> Distillation:
        """How the task's network is pruned, and learns from another one, for `visus compress`.

        Raises:
            VisusError: If it cannot be compressed.
        """
        raise VisusError(f"models for {self.title} cannot be compressed")

    def class_scores(self, task: VisionTask) -> Callable[[tuple[Tensor, ...]], Tensor] | None:
        """The function from the outputs of `forward` to a score of each class for a whole image.

        Its result has shape (batch, classes), with scores of 0 to 1; None for a task without
        classes. `visus inspect` follows these scores while it changes the image.
        """
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
        """Commands that the task adds."""
        return ()

    @abstractmethod
    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """How well an exported network agrees with PyTorch on one image.

        Args:
            exported: Outputs of the exported network.
            expected: Outputs of PyTorch.

        Returns:
            The largest absolute difference of the compared values, and the fraction of equal
            predictions, 0 to 1.
        """

    def prepare_export(self, task: VisionTask) -> AbstractContextManager[None]:
        """A context in which the task computes in the form that is exported."""
        return nullcontext()

    def pipeline(self, model: Model, parts: PipelineParts | None) -> Model:
        """Wrap the bare network in the pipeline that it needs to predict.

        Args:
            model: The task's own network.
            parts: Parts of an exported pipeline; None to build them in PyTorch.
        """
        return model

    def export_parts(self, task: VisionTask) -> PipelineExport | None:
        """Networks that are exported beside the task's own; None if there are none."""
        return None

    def weights(self) -> tuple[WeightsEntry, ...]:
        """Ready-made weights of this task."""
        return ()

    def build_pretrained(self, entry: WeightsEntry) -> VisionTask:
        """Build the task of one of `weights`, in evaluation mode, on the CPU.

        Raises:
            VisusError: If the file is missing, or not the expected one.
        """
        raise NotImplementedError(f"task {self.name} has no ready-made weights")

    def migrate_arguments(self, arguments: dict[str, Any], format: int) -> dict[str, Any]:
        """The constructor arguments of an earlier checkpoint format in the current one.

        Args:
            arguments: Plain values as they were stored.
            format: The format of the checkpoint, below `visus.vision.metadata.FORMAT`.
        """
        if format < 2:
            # The properties of the data were separate arguments.
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
