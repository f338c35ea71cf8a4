"""Image captioning's interface for the applications."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, cast

from visus.tasks.captioning.data_info import CaptioningInfo
from visus.tasks.export_spec import ExportSpec
from visus.tasks.options import Session, TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError
from visus.vision.model_wrapper import innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.captioning.task import CaptioningTask
    from visus.tasks.options import OptionValues
    from visus.tasks.spec import Arrays, Explanation, Report
    from visus.tasks.torch_network import TorchNetwork
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, NetworkModel, Postprocess


class CaptioningSpec(TaskSpec):
    """Image captioning: a sentence for an image."""

    name = "captioning"
    title = "image captioning"
    classes_title = "words"
    data_info = CaptioningInfo
    live = "once_a_second"
    options = (
        TaskOption(
            "--beam",
            "search for the N best captions, and write all of them",
            kind=int,
            metavar="N",
            commands=("predict",),
        ),
        TaskOption("--summary", "caption a clip as a whole too", kind=None, commands=("predict",)),
    )
    export = ExportSpec(
        output_names=("words", "totals", "attention_maps"),
        int8_operations=frozenset({"Clip", "Conv", "MaxPool", "Relu"}),
        testable=False,
    )
    not_shipped: ClassVar[Mapping[str, str]] = {
        "caption": "visus ships no captioning model, as no data set's licence allows it; "
        "visus fit --config captioning/coco --data COCO trains one, in about 35 hours on two CPU "
        "cores"
    }

    def lightning_class(self) -> type[CaptioningTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.captioning.task import CaptioningTask

        return CaptioningTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.captioning.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.captioning.draw import draw_caption

        return draw_caption

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.captioning.report import report_captioning

        return report_captioning

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]]:
        """See `TaskSpec.explain`."""
        from visus.tasks.captioning.explain import explain

        return explain

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.captioning.assessment import CaptioningAssessment

        return CaptioningAssessment(task.measure(batches))

    def item_labels(self, model: Model) -> Collection[str]:
        """See `TaskSpec.item_labels`; a caption is a sentence."""
        return ()

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """Set the beam width, and caption the clip as a whole where that is asked for."""
        session = Session(model)
        if values["beam"] is not None:
            _set_beams(model, values["beam"])
        if values["summary"]:
            from visus.tasks.captioning.clip_summary import ClipSummary

            summary = ClipSummary(model)
            session.watchers.append(summary.add_frame)
            session.closing.append(summary.lines)
        return session

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a log-probability, and whether the captions are the same."""
        import numpy as np

        same = bool((exported[0] == expected[0]).all())
        return float(np.abs(exported[1] - expected[1]).max()), float(same)

    def prepare_export(self, task: VisionTask) -> AbstractContextManager[None]:
        """Greedy search: how many steps beam search takes depends on the image."""
        return cast("CaptioningTask", task).greedy()

    def migrate_arguments(self, arguments: dict[str, Any], format: int) -> dict[str, Any]:
        """See `TaskSpec.migrate_arguments`; `hidden` became `hidden_size`."""
        arguments = super().migrate_arguments(arguments, format)
        if format < 2:
            arguments = {{"hidden": "hidden_size"}.get(k, k): v for k, v in arguments.items()}
        return arguments


def _set_beams(model: Model, beams: int) -> None:
    """Set the beam width of a model in PyTorch.

    Raises:
        VisusError: If it is below 1, or the model is exported.
    """
    from visus.tasks.torch_network import torch_task

    if beams < 1:
        raise VisusError(f"--beam {beams} must be at least 1")
    task = copy(cast("CaptioningTask", torch_task(model, "--beam")))
    task.beams = beams
    # Other models share the network.
    inner = cast("NetworkModel", innermost(model))
    network = copy(cast("TorchNetwork", inner.network))
    network.task, inner.network = task, network
