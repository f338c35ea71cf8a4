"""The specification of the detection task."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.tasks.budget import BudgetChoices
from visus.tasks.concealing import blur_option, conceal
from visus.tasks.detection.areas import named_areas, parse_line, parse_zone
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.weights import WEIGHTS
from visus.tasks.export_spec import ExportSpec
from visus.tasks.options import Session, TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from torch import Tensor

    from visus.models.attacks import AttackGoal
    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.detection.task import DetectionTask
    from visus.tasks.distillation import Distillation
    from visus.tasks.options import OptionValues
    from visus.tasks.spec import Arrays, Explanation, Report
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess
    from visus.vision.occlusion import Target

_THRESHOLD_STEP = 0.05
"""Change of the score threshold by one key press in the live window."""

_COMPARED_SCORE = 0.05
"""Detections with a lower score are not compared with those of an exported network."""

_TRACKING = ("track", "line", "zone", "mot")
"""Options that need track numbers."""

_BLUR = blur_option()


class DetectionSpec(TaskSpec):
    """Detection: bounding boxes with classes and scores, optionally with instance masks."""

    name = "detection"
    title = "object detection"
    data_info = DetectionInfo
    budget = BudgetChoices(
        sizes=(0.5, 0.625, 0.75, 1.0, 1.25),
        enlarged=(128, 192, 256),
        epochs=12,
        averaged=0.6,
        validates_part=True,
    )
    options = (
        TaskOption(
            "--threshold", "minimum score of a detection, 0 to 1", kind=float, metavar="SCORE"
        ),
        TaskOption("--track", "track objects through a video, each with its own number", kind=None),
        TaskOption(
            "--line",
            "count tracked objects that cross this line, in pixels or fractions of the image; may "
            "be repeated",
            kind=parse_line,
            metavar="[NAME=]X1,Y1,X2,Y2",
            repeatable=True,
        ),
        TaskOption(
            "--zone",
            "count tracked objects inside this polygon, and how long they stay; may be repeated",
            kind=parse_zone,
            metavar="[NAME=]X1,Y1,X2,Y2,X3,Y3,...",
            repeatable=True,
        ),
        TaskOption(
            "--mot",
            "write the tracks in the text format of the MOT Challenge",
            kind=Path,
            metavar="FILE",
            commands=("predict",),
            is_output=True,
        ),
        _BLUR,
    )
    export = ExportSpec(
        output_names=("boxes", "scores", "labels", "masks"),
        exporter="torchscript",
        dynamic_axes={1: "detections"},
        fixed_outputs=False,
        int8_operations=frozenset({"Clip", "Conv", "Gemm", "MatMul", "MaxPool", "Pad", "Relu"}),
    )

    def lightning_class(self) -> type[DetectionTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.detection.task import DetectionTask

        return DetectionTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.detection.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.detection.draw import draw_detection

        return draw_detection

    def uncertainty(self, prediction: Any) -> float:
        """See `TaskSpec.uncertainty`."""
        return float(prediction.uncertainty)

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.detection.report import report_detection

        return report_detection

    def distillation(self, task: VisionTask) -> Distillation:
        """See `TaskSpec.distillation`."""
        from visus.tasks.detection.distillation import describe_distillation

        return describe_distillation(task)

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]]:
        """See `TaskSpec.explain`."""
        from visus.tasks.detection.explain import explain

        return explain

    def targets(self, prediction: Any) -> list[Target]:
        """See `TaskSpec.targets`."""
        from visus.tasks.detection.targets import box_targets

        return box_targets(prediction)

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.detection.assessment import DetectionAssessment

        return DetectionAssessment(task.measure(batches))

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """See `TaskSpec.attacks`."""
        from visus.models.attacks import AttackGoal
        from visus.tasks.detection.attack import VanishingAttack

        return [AttackGoal("vanishing objects", VanishingAttack(task))]

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """See `TaskSpec.configure`."""
        threshold = values["threshold"]
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise VisusError(f"--threshold {threshold} must lie between 0 and 1")
            model.set_option("threshold", threshold)
        session = Session(model, adjust=partial(_adjust_threshold, model))
        tracking = [name for name in _TRACKING if values.get(name)]
        if tracking:
            if source.still:
                raise VisusError(
                    f"--{tracking[0]} follows objects through a video; the source is images"
                )
            _track(session, values, source)
        return conceal(session, _BLUR, values.get("blur"), source)

    def class_scores(self, task: VisionTask) -> Callable[[tuple[Tensor, ...]], Tensor]:
        """See `TaskSpec.class_scores`: the score of the best detection of each class."""
        classes = len(task.class_names)

        def best(outputs: tuple[Tensor, ...]) -> Tensor:
            scores, labels = outputs[1], outputs[2]
            none = scores.new_zeros(len(scores), classes)
            return none.scatter_reduce(1, labels, scores, "amax")

        return best

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a box coordinate in pixels, and whether all detections agree.

        Detections of the same class are compared in any order, as equal scores leave it open. They
        agree where all coordinates differ by less than a pixel.
        """
        import numpy as np

        a, b = (np.flatnonzero(out[1][0] >= _COMPARED_SCORE) for out in (exported, expected))
        if len(a) != len(b):
            return 0.0, 0.0
        if len(a) == 0:
            return 0.0, 1.0
        differences = np.abs(exported[0][0, a][:, None] - expected[0][0, b][None]).max(-1)
        other_class = exported[2][0, a][:, None] != expected[2][0, b][None]
        nearest = np.where(other_class, np.inf, differences).min(1)
        if not np.isfinite(nearest).all():
            return 0.0, 0.0
        return float(nearest.max()), float(nearest.max() < 1)

    def prepare_export(self, task: VisionTask) -> AbstractContextManager[None]:
        """See `TaskSpec.prepare_export`; fixes the number of proposals of two-stage detectors."""
        from visus.tasks.detection.networks import TwoStageDetector

        network = task.network
        return network.fixed_size() if isinstance(network, TwoStageDetector) else nullcontext()

    def weights(self) -> tuple[WeightsEntry, ...]:
        """See `TaskSpec.weights`."""
        return WEIGHTS

    def build_pretrained(self, entry: WeightsEntry) -> DetectionTask:
        """See `TaskSpec.build_pretrained`."""
        from visus.tasks.detection.networks.ready_made import coco_class_names
        from visus.tasks.detection.task import DetectionTask

        info = DetectionInfo(
            image_size=(640, 640),
            class_names=tuple(coco_class_names()),
            in_channels=3,
            resize_mode="letterbox",
        )
        return DetectionTask(
            data_info=info,
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
            proposals=1000,
        ).eval()


def _track(session: Session, values: OptionValues, source: SourceProperties) -> None:
    """Track the objects of a session, count them, and write the tracks, as the options say."""
    # Matching needs SciPy, which nothing else here does.
    from visus.tasks.detection.tracked_model import TrackedModel

    lines, zones = (named_areas(values.get(name) or ()) for name in ("line", "zone"))
    model = TrackedModel(session.model, source.rate, lines, zones)
    session.model = model
    if lines or zones:
        session.closing.append(model.closing)
    if values.get("mot") is not None:
        from visus.tasks.detection.mot_file import MotFile

        file = MotFile(values["mot"])
        session.watchers.append(file)
        session.closing.append(file.close)


def _adjust_threshold(model: Model, steps: int) -> str:
    """Raise or lower the score threshold, within 0 and 1; returns a line with the new value."""
    threshold = float(model.metadata.options["threshold"]) + _THRESHOLD_STEP * steps
    threshold = round(min(1.0, max(0.0, threshold)), 2)
    model.set_option("threshold", threshold)
    return f"threshold {threshold:.2f}"
