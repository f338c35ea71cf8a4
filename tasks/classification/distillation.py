"""Pruning and distillation of classifiers."""

from torch import Tensor, nn

from visus.tasks.base import VisionTask
from visus.tasks.distillation import Distillation, class_imitation, label_imitation


def describe_distillation(task: VisionTask) -> Distillation:
    """See `TaskSpec.distillation`."""
    head = task.network.get_submodule("head")
    last = [name for name, each in head.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    imitation = label_imitation if task.options()["multi_label"] else class_imitation
    # The front resamples the image, and has few channels.
    front = ["network.front"] if hasattr(task.network, "front") else []
    return Distillation(
        imitated=["network"],
        fixed=[f"network.head.{last[-1]}".rstrip("."), *front],
        run=_run,
        loss=lambda student, teacher: imitation(student[0], teacher[0]),
    )


def _run(task: VisionTask, images: Tensor) -> Tensor:
    logits: Tensor = task.network(images)
    return logits
