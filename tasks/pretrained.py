"""Tasks made of ready-made weights from the manifest."""

from visus.tasks.detection.networks.ready_made import coco_class_names
from visus.tasks.segmentation.networks.ready_made import voc_class_names
from visus.models.weights import find_weights
from visus.tasks.base import VisionTask
from visus.tasks.checkpoints import load_task
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.detection.task import DetectionTask
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.errors import VisusError

_COCO_SIZE = (640, 640)
_VOC_SIZE = (512, 512)
_FACE_SIZE = (150, 150)
_FACE_THRESHOLD, _FACE_FAR = 0.929, 1e-3
"""Measured on all pairs of different people among the pictures of LFW's View 2, folds 1 to 5."""


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
    path = entry.path()
    if entry.recipe:
        return load_task(path)
    task: VisionTask
    if entry.task == "detection":
        task = DetectionTask(
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
            class_names=coco_class_names(),
            image_size=_COCO_SIZE,
            proposals=1000,
        )
    elif entry.task == "segmentation":
        task = SegmentationTask(
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
            class_names=voc_class_names(),
            image_size=_VOC_SIZE,
        )
    elif entry.task == "face_recognition":
        task = FaceRecognitionTask(
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
            image_size=_FACE_SIZE,
            threshold=_FACE_THRESHOLD,
            far=_FACE_FAR,
        )
    else:
        names = imagenet_class_names()
        task = ClassificationTask(backbone=entry.network, pretrained=True, class_names=names)
    return task.eval()


def imagenet_class_names() -> list[str]:
    """The 1,000 names in the order that ImageNet classifiers use."""
    from torchvision.models import get_weight

    names: list[str] = get_weight("ResNet18_Weights.IMAGENET1K_V1").meta["categories"]
    return names
