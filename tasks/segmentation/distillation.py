"""Pruning and distillation of segmenters."""

from torch import Tensor

from visus.tasks.base import VisionTask
from visus.tasks.distillation import Distillation, class_imitation
from visus.tasks.segmentation.networks.network import Segmenter
from visus.vision.errors import VisusError


def describe_distillation(task: VisionTask) -> Distillation:
    """See `TaskSpec.distillation`.

    Raises:
        VisusError: If the network is one of torchvision's.
    """
    network = task.network
    if not isinstance(network, Segmenter):
        raise VisusError(
            f"architecture {task.hparams['architecture']} cannot be compressed; choose fcn, unet "
            "or deeplabv3plus"
        )
    # The layers after the logits have a channel for each class.
    after = [name for name in ("refinement", "upsampling") if getattr(network, name) is not None]
    return Distillation(
        imitated=["network"],
        fixed=["network.head.to_logits", *(f"network.{name}" for name in after)],
        run=_run,
        loss=lambda student, teacher: (
            class_imitation(student[0], teacher[0]) + region_imitation(student[0], teacher[0])
        ),
    )


def region_imitation(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the mean overlap of the classes' regions in two segmentations.

    The Dice coefficient of scores (Milletari, Navab and Ahmadi 2016, "V-Net"): all classes have
    equal weight, as in mean IoU, where the divergence of the scores weights each pixel alike.

    Args:
        student: Logits of shape (batch, classes, rows, columns).
        teacher: Logits of the same shape.
    """
    own, expected = student.float().softmax(1), teacher.float().softmax(1)
    overlap = (own * expected).sum((0, 2, 3))
    squares = (own.square() + expected.square()).sum((0, 2, 3))
    return (1 - (2 * overlap + 1) / (squares + 1)).mean()


def _run(task: VisionTask, images: Tensor) -> Tensor:
    logits: Tensor = task.network(images)
    return logits
