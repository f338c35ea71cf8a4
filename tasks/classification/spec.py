"""The specification of the classification task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.models.weights_manifest import IMAGENET
from visus.tasks.budget import BudgetChoices
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from visus.models.attacks import AttackGoal
    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.classification.task import ClassificationTask
    from visus.tasks.distillation import Distillation
    from visus.tasks.spec import Arrays, Explanation, Report
    from visus.vision.images import Pixels
    from visus.vision.model import Postprocess
    from visus.vision.occlusion import Target


class ClassificationSpec(TaskSpec):
    """Classification: one or several labels for an image."""

    name = "classification"
    title = "image classification"
    data_info = ClassificationInfo
    budget = BudgetChoices(
        sizes=(0.5, 0.75, 1.0),
        enlarged=(96, 128, 160),
        backbones=("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"),
        epochs=5,
        validates_part=True,
        fits_head=True,
        grows=True,
    )

    def lightning_class(self) -> type[ClassificationTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.classification.task import ClassificationTask

        return ClassificationTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.classification.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.classification.draw import draw_classification

        return draw_classification

    def uncertainty(self, prediction: Any) -> float:
        """See `TaskSpec.uncertainty`."""
        return float(prediction.uncertainty)

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.class_report import report_classes

        return report_classes

    def targets(self, prediction: Any) -> list[Target]:
        """See `TaskSpec.targets`."""
        from visus.tasks.class_scores import class_targets

        return class_targets(prediction)

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.classification.assessment import assess_classifier

        return assess_classifier(task, batches)

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """See `TaskSpec.attacks`."""
        from visus.models.attacks import AttackGoal
        from visus.tasks.class_attack import ClassAttack

        objective = ClassAttack(lambda images: task(images)[0].float(), batch["label"])
        return [AttackGoal("wrong class", objective)]

    def distillation(self, task: VisionTask) -> Distillation:
        """See `TaskSpec.distillation`."""
        from visus.tasks.classification.distillation import describe_distillation

        return describe_distillation(task)

    def explain(self) -> Callable[[VisionTask, Pixels], list[Explanation]]:
        """See `TaskSpec.explain`."""
        from visus.tasks.classification.explain import explain

        return explain

    def class_scores(self, task: VisionTask) -> Callable[[tuple[Tensor, ...]], Tensor]:
        """See `TaskSpec.class_scores`."""
        multi_label = task.options()["multi_label"]
        return lambda outputs: outputs[0].sigmoid() if multi_label else outputs[0].softmax(1)

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a logit, and whether the predicted class is the same."""
        import numpy as np

        same = bool((exported[0].argmax(1) == expected[0].argmax(1)).all())
        return float(np.abs(exported[0] - expected[0]).max()), float(same)

    def weights(self) -> tuple[WeightsEntry, ...]:
        """See `TaskSpec.weights`."""
        return IMAGENET

    def build_pretrained(self, entry: WeightsEntry) -> ClassificationTask:
        """See `TaskSpec.build_pretrained`."""
        import timm

        from visus.tasks.classification.task import ClassificationTask, imagenet_class_names

        config = timm.get_pretrained_cfg(entry.network)
        assert config is not None
        _, height, width = config.input_size
        info = ClassificationInfo(
            image_size=(height, width),
            class_names=imagenet_class_names(),
            in_channels=3,
            resize_mode="crop",
        )
        return ClassificationTask(data_info=info, backbone=entry.network, pretrained=True).eval()
