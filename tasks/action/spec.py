"""The specification of the action task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.tasks.action.data_info import ActionInfo
from visus.tasks.export_spec import ExportSpec
from visus.tasks.options import Session, TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from visus.models.attacks import AttackGoal
    from visus.tasks.action.task import ActionTask
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.options import OptionValues
    from visus.tasks.spec import Arrays, Report
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess


class ActionSpec(TaskSpec):
    """Action recognition: one or several labels for a clip."""

    name = "action"
    title = "action recognition"
    data_info = ActionInfo
    options = (
        TaskOption(
            "--timeline",
            "write the labels of a video's parts as CSV: start,end,label,score",
            kind=Path,
            metavar="FILE",
            commands=("predict",),
            is_output=True,
        ),
    )
    export = ExportSpec(int8_operations=frozenset({"Clip", "Conv", "Gemm", "Relu"}), testable=False)

    def lightning_class(self) -> type[ActionTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.action.task import ActionTask

        return ActionTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.action.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.action.draw import draw_action

        return draw_action

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.class_report import report_classes

        return report_classes

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.action.assessment import assess_clips

        return assess_clips(task, batches)

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """See `TaskSpec.attacks`."""
        from visus.models.attacks import AttackGoal
        from visus.tasks.class_attack import ClassAttack

        labels = batch["labels" if "labels" in batch else "label"]
        objective = ClassAttack(lambda clips: task(clips)[0].float(), labels)
        return [AttackGoal("wrong class", objective)]

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """See `TaskSpec.configure`; a source with an end also gets classes for the whole."""
        from visus.tasks.action.streaming import StreamingModel, still_image
        from visus.tasks.action.whole_clip import WholeClip

        timeline = values["timeline"]
        if source.still:
            raise still_image(model.name)
        if timeline is not None and timeline.suffix.lower() != ".csv":
            raise VisusError(f"--timeline {timeline}: is written as CSV; name a .csv file")
        if source.live:
            if timeline is not None:
                raise VisusError(f"--timeline {timeline}: a camera has no end; give a video")
            return Session(StreamingModel(model))
        whole = WholeClip(model, timeline)
        return Session(whole.model, [whole.add_frame], [whole.lines], as_a_whole=True)

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a logit, and whether the predicted class is the same."""
        import numpy as np

        same = bool((exported[0].argmax(1) == expected[0].argmax(1)).all())
        return float(np.abs(exported[0] - expected[0]).max()), float(same)
