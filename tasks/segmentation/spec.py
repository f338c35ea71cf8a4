"""The specification of the segmentation task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.tasks.budget import BudgetChoices
from visus.tasks.concealing import blur_option, conceal
from visus.tasks.options import Session, TaskOption
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.weights import WEIGHTS
from visus.tasks.spec import TaskSpec
from visus.vision.class_names import VOC_CLASS_NAMES
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from visus.models.attacks import AttackGoal
    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.distillation import Distillation
    from visus.tasks.options import OptionValues
    from visus.tasks.segmentation.task import SegmentationTask
    from visus.tasks.spec import Arrays, Explanation, Report
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess
    from visus.vision.occlusion import Target

_BLUR = blur_option()


class SegmentationSpec(TaskSpec):
    """Semantic segmentation: a class for every pixel of an image."""

    name = "segmentation"
    title = "semantic segmentation"
    data_info = SegmentationInfo
    budget = BudgetChoices(
        sizes=(0.5, 0.75, 1.0, 1.5),
        enlarged=(128, 192, 256),
        epochs=8,
        crop=2 / 3,
        validates_part=True,
    )
    options = (
        TaskOption(
            "--masks",
            "write the mask of class ids of each image there, as PNG",
            kind=Path,
            metavar="DIR",
            commands=("predict",),
            is_output=True,
        ),
        TaskOption(
            "--tile",
            "segment large images in overlapping square tiles of that side",
            kind=int,
            metavar="PIXELS",
            commands=("predict",),
        ),
        TaskOption(
            "--overlap",
            "overlap of neighbouring tiles; an eighth of their side by default",
            kind=int,
            metavar="PIXELS",
            commands=("predict",),
        ),
        _BLUR,
    )

    def lightning_class(self) -> type[SegmentationTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.segmentation.task import SegmentationTask

        return SegmentationTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.segmentation.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.segmentation.draw import draw_segmentation

        return draw_segmentation

    def uncertainty(self, prediction: Any) -> float:
        """See `TaskSpec.uncertainty`."""
        return float(prediction.uncertainty)

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.segmentation.report import report_segmentation

        return report_segmentation

    def distillation(self, task: VisionTask) -> Distillation:
        """See `TaskSpec.distillation`."""
        from visus.tasks.segmentation.distillation import describe_distillation

        return describe_distillation(task)

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]]:
        """See `TaskSpec.explain`."""
        from visus.tasks.segmentation.explain import explain

        return explain

    def targets(self, prediction: Any) -> list[Target]:
        """See `TaskSpec.targets`."""
        from visus.tasks.segmentation.targets import area_targets

        return area_targets(prediction)

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.segmentation.assessment import SegmentationAssessment
        from visus.tasks.segmentation.prediction import class_colours

        colours = class_colours(task.metadata)
        return SegmentationAssessment(task.measure(batches), task.class_names, colours)

    def main_metric(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> float:
        """See `TaskSpec.main_metric`; boundaries are not measured."""
        return float(task.measure(batches, "val").compute().metrics["miou"])

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """See `TaskSpec.attacks`."""
        from visus.models.attacks import AttackGoal
        from visus.tasks.segmentation.attack import PixelAttack

        return [AttackGoal("wrong pixels", PixelAttack(task, batch))]

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """See `TaskSpec.configure`."""
        tile, overlap = values["tile"], values["overlap"]
        if tile is not None:
            from visus.tasks.segmentation.tiling import TiledModel

            model = TiledModel(model, tile, tile // 8 if overlap is None else overlap)
        elif overlap is not None:
            raise VisusError("--overlap is the overlap of tiles; give --tile too")
        session = Session(model)
        if values["masks"] is not None:
            from visus.tasks.segmentation.mask_files import MaskFiles

            session.watchers.append(MaskFiles(values["masks"]))
        return conceal(session, _BLUR, values.get("blur"), source)

    def class_scores(self, task: VisionTask) -> Callable[[tuple[Tensor, ...]], Tensor]:
        """See `TaskSpec.class_scores`: the mean probability of each class over the image."""
        return lambda outputs: outputs[0].softmax(1).mean((2, 3))

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a logit, and the fraction of positions of the same class."""
        import numpy as np

        same = exported[0].argmax(1) == expected[0].argmax(1)
        return float(np.abs(exported[0] - expected[0]).max()), float(same.mean())

    def weights(self) -> tuple[WeightsEntry, ...]:
        """See `TaskSpec.weights`."""
        return WEIGHTS

    def build_pretrained(self, entry: WeightsEntry) -> SegmentationTask:
        """See `TaskSpec.build_pretrained`."""
        from visus.tasks.segmentation.task import SegmentationTask

        info = SegmentationInfo(
            image_size=(512, 512),
            class_names=VOC_CLASS_NAMES,
            in_channels=3,
            resize_mode="letterbox",
        )
        return SegmentationTask(
            data_info=info,
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
        ).eval()

    def migrate_weights(self, weights: dict[str, Any], format: int) -> dict[str, Any]:
        """See `TaskSpec.migrate_weights`."""
        if format < 2:
            renamed = {"votes": "to_logits", "vote": "to_logits"}
            renamed |= {"climb": "decoder", "decode": "decoder"}
            for old, new in renamed.items():
                old, new = f"network.head.{old}.", f"network.head.{new}."
                weights = {k.replace(old, new): value for k, value in weights.items()}
        return weights
