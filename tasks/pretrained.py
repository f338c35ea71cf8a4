"""Tasks made of ready-made weights from the manifest."""

from models.weights import find_weights
from tasks.base import VisionTask
from tasks.classification import ClassificationTask
from vision.errors import VisusError


def load_pretrained_task(name: str) -> VisionTask:
    """The task of a manifest entry, on the CPU, in evaluation mode.

    Args:
        name: The entry's name or an alias.

    Raises:
        VisusError: If there is no such entry, or its file is missing or another.
    """
    entry = find_weights(name)
    if entry is None:
        raise VisusError(f"weights {name!r} are not in the manifest; see visus weights list")
    entry.path()
    task = ClassificationTask(
        backbone=entry.backbone, pretrained=True, class_names=imagenet_class_names()
    )
    return task.eval()


def imagenet_class_names() -> list[str]:
    """The 1,000 names in the order that ImageNet classifiers use."""
    from torchvision.models import get_weight

    names: list[str] = get_weight("ResNet18_Weights.IMAGENET1K_V1").meta["categories"]
    return names
